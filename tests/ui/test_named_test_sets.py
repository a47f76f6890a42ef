"""The pages of a problem that names test sets: one is chosen for a picture, and tables have a column for each."""

from dataclasses import replace

import pytest

from explorer.api import loaded
from explorer.core import splits
from explorer.core.spec import Look
from explorer.stats.barriers import level
from explorer.stats.soup_analysis import row_of
from explorer.ui.compare.form import Comparison
from tests.named_test_sets import with_test_sets
from tests.ui.test_landscape import button


@pytest.fixture
def many(tiny, store, work, tmp_path):
    """The tiny problem with the sets `noisy` and `few`, its checkpoints registered."""
    made = with_test_sets(tiny, tmp_path / "many")
    store.submit(Look(str(made.folder)))
    work()
    return made


def box(app, label):
    """The select box of that label."""
    return next(b for b in app.selectbox if b.label == label)


@pytest.mark.parametrize(("page", "label", "go"), [("interpolate", "Samples", "Explore"), ("align", "Samples", "Align"), ("landscape", "Test set", "Draw"), ("paths", "Test set", "Compare")])  # fmt: skip
def test_a_picture_is_of_the_set_that_was_chosen(visit, many, store, page, label, go):
    """What is asked for then is measured on it."""
    a, b = loaded(many.a), loaded(many.b)
    app = visit(page, a=a.digest, **({"b": b.digest} if page != "landscape" else {}))
    if page == "landscape":
        next(s for s in app.segmented_control if s.label == "Plane or volume").set_value("around one").run()
    noisy = splits.find(many.problem.spec, "noisy")
    box(app, label).set_value(noisy).run()
    button(app, go).click().run()
    assert not app.exception
    asked = [s.request.field.split for s in store.statuses("Run") if s.request.field.problem == many.problem.spec]
    assert asked
    assert set(asked) == {noisy}


def test_all_pairs_are_measured_on_the_set_that_was_chosen(visit, many, store):
    """As they are and aligned."""
    app = visit("paths", view="many", a=loaded(many.a).digest)
    noisy = splits.find(many.problem.spec, "noisy")
    box(app, "Test set").set_value(noisy).run()
    button(app, "Measure").click().run()
    assert not app.exception
    assert {s.request.field.split for s in store.statuses("Run") if s.request.field.problem == many.problem.spec} == {noisy}


def test_the_comparison_has_a_column_for_each_set(visit, many, store, work):
    """With the interval, for every model; and also where its runs were asked for before the sets were named."""
    models = loaded(many.a), loaded(many.b)
    before = Comparison.between(replace(many.problem.spec, tests=()), models, [])
    for task in before.tasks():
        store.submit(task.run)
    work()
    wanted = Comparison.between(many.problem.spec, models, [])
    for task in wanted.tasks():
        store.submit(task.run)
    work()
    app = visit("compare", runs=",".join(e.run.id for e in before.entries))
    assert not app.exception
    rows = app.dataframe[0].value.set_index("model")
    for entry in wanted.entries:
        for name in ("noisy", "few"):
            points = store.points(entry.field(splits.find(many.problem.spec, name)).id)[0]
            assert rows.loc[entry.name, f"{name} loss (nat), 95 %"] == level(points, 0).formatted()


def test_soups_are_told_on_each_set(visit, many, store, work):
    """The best alone, all, and the greedy soup."""
    app = visit("soup", a=loaded(many.a).digest)
    button(app, "Measure").click().run()
    work()
    app.run()
    work()  # the greedy soup, once it is known
    app.run()
    assert not app.exception
    rows = next(d.value for d in app.dataframe if "soup" in d.value)
    kitchen = next(s.request.field for s in store.statuses("Run") if s.request.field.measured_on == "few")
    points = store.points(kitchen.id)[0]
    every = level(replace(points, coords=points.coords[[r := row_of(points, [1.0, 1.0])]], values=points.values[[r]]), 1)
    told = rows.set_index("soup")
    assert told.loc["soup of all", "few error (%)"] == every.formatted(scale=100)
    assert "…" not in set(told["few error (%)"]) | set(told["noisy error (%)"])
