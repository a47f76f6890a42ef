"""Nothing measured for other models or options stands under a form that says otherwise."""

from dataclasses import replace

import pytest

from explorer.core.spec import Attack
from tests.ui.conftest import words

OTHERWISE = "and not for what this form says now"
# page, view, the words on a widget of its form, and another value for it
FORMS = [
    ("interpolate", "", "B, at t = 1", 2),
    ("interpolate", "", "Samples", 1),
    ("align", "", "Reference (stays as it is)", 2),
    ("align", "", "Samples", 1),
    ("paths", "ways", "B, at t = 1", 2),
    ("paths", "many", "And after aligning each pair by", 0),
    ("paths", "conditions", "Norm", 1),
    ("landscape", "", "C", 3),
    ("landscape", "", "Precision", 1),
    ("compare", "", "Align the models first", 1),
    ("compare", "", "The reference is the ensemble's mean of", 1),
]


@pytest.mark.parametrize(("page", "view", "label", "other"), FORMS)
def test_a_picture_is_said_to_be_of_its_own_models_where_the_form_says_otherwise(visit, page, view, label, other):
    """The form stands at the example that is shown; changed, it says what the picture below it was measured for."""
    app = visit(page, **({"view": view} if view else {}))
    assert not app.exception
    assert OTHERWISE not in words(app)
    box = next(b for b in app.selectbox if b.label == label)
    box.select_index(other).run()
    assert not app.exception
    assert OTHERWISE in words(app)


@pytest.mark.parametrize(("page", "view"), [("soup", ""), ("train", ""), ("compare", ""), ("paths", "many"), ("paths", "ways")])
def test_a_picture_keeps_its_name_when_the_form_asks_for_fewer_models(visit, page, view):
    """The same where models or ways are taken out of a list."""
    app = visit(page, **({"view": view} if view else {}))
    assert OTHERWISE not in words(app)
    box = app.multiselect[0]
    box.set_value(box.value[:-1]).run()
    assert not app.exception
    assert OTHERWISE in words(app)


def test_the_example_of_stability_is_named_where_the_form_trains_other_copies(visit):
    """The fourth view of Paths, whose form has no list to take from."""
    app = visit("paths", view="stability")
    assert OTHERWISE not in words(app)
    next(c for c in app.get("button_group") if c.label == "Copies").set_value("train now").run()
    assert not app.exception
    assert OTHERWISE in words(app)


def test_a_link_with_two_models_shows_no_sample_under_their_names(visit, registered):
    """The shipped story has a barrier of its own, and is of other models."""
    a, b = (corner.digest for corner in registered.field().corners)
    app = visit("interpolate", a=a, b=b)
    assert not app.exception
    assert {s.value for s in app.selectbox if s.label in ("A, at t = 0", "B, at t = 1")} == {a, b}
    assert not app.metric
    assert "Press **Explore**" in words(app)


@pytest.mark.parametrize(("page", "view"), [("interpolate", ""), ("align", ""), ("paths", "ways"), ("landscape", ""), ("soup", ""), ("compare", "")])
def test_a_link_with_a_model_of_another_store_says_so(visit, page, view):
    """What stands in the form is then not what the link was made for."""
    app = visit(page, a="0" * 64, **({"view": view} if view else {}))
    assert not app.exception
    assert "A model in this link is not known here" in words(app)
    assert not app.metric


def test_a_line_under_attack_is_no_plain_path(visit, registered, store, work):
    """Its loss is that of inputs which an adversary has moved: only the view that says so shows it."""
    run = registered.run(size=3)
    attacked = replace(run, field=replace(run.field, attack=Attack("linf", 0.1)))
    id = store.submit(attacked)
    work()
    plain = visit("paths", runs=id)
    assert not plain.exception
    assert "Some paths in this link are not" in words(plain)
    assert not plain.dataframe
    assert "attacked, l∞ ≤ 0.1" in words(visit("paths", view="conditions", runs=id))
    assert "view=conditions" in "".join(link.proto.page + link.proto.query_string for link in visit("runs").get("page_link"))
