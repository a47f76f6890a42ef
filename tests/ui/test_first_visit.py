"""What a page shows to who comes for the first time: never a form alone."""

import pytest

from explorer.core.spec import Look
from explorer.ui.frame.shell import PAGES
from explorer.ui.widgets.model_picker import choices, families
from tests.ui.conftest import words

BEGUN = [
    ("paths", "many"),
    ("paths", "conditions"),
]
SHIPPED = [(page, {}) for page in ("landscape", "interpolate", "align", "paths", "train", "soup", "compare")] + [("paths", {"view": "stability"})]


def requested(store):
    """Every request that is not there yet: id → rank."""
    return {s.id: s.rank for kind in ("Run", "Study") for s in store.statuses(kind, limit=1000) if s.state == "waiting"}


@pytest.mark.parametrize(("page", "query"), SHIPPED)
def test_what_a_page_opens_with_is_measured_and_begins_nothing(visit, store, page, query):
    """No worker has to be there, and none is started: what the page shows first ships with the explorer."""
    app = visit(page, expert=False, **query)
    assert not app.exception
    assert not requested(store)
    assert app.get("bidi_component") or app.get("plotly_chart")
    assert "Press **" not in words(app)
    assert not [w for w in ("Waiting", "Stopped", "not been computed") if w in words(app)]
    assert next(e for e in app.expander if e.label.endswith("**edit**"))


@pytest.mark.parametrize(("page", "view"), BEGUN)
def test_a_first_visit_begins_an_example_once_and_behind_everything_else(visit, store, page, view):
    """What nobody asked for is idle, and a second visit asks for nothing more; the form stands at what is shown, so its button would ask for the same."""
    query = {"view": view} if view else {}
    app = visit(page, **query)
    assert not app.exception
    first = requested(store)
    assert first and set(first.values()) == {-1}
    assert "Press **" not in words(app)
    assert not visit(page, **query).exception
    assert requested(store) == first
    next(b for b in app.button if b.key.endswith("-go")).click().run()
    assert not app.exception
    assert set(requested(store)) == set(first)
    assert set(requested(store).values()) == {0}


@pytest.mark.parametrize("page", ["align", "paths", "soup", "compare"])
def test_a_link_with_a_model_in_it_begins_nothing(visit, registered, store, page):
    """Who comes with models of their own finds them in the form, and no example."""
    app = visit(page, a=next(f.digest for f in store.checkpoints() if f.path == str(registered.a)))
    assert not app.exception
    assert not requested(store)
    assert "Press **" in words(app)


def test_the_example_of_align_tells_its_story(visit, store, work):
    """Before and after, of two shipped models."""
    visit("align")
    work()
    app = visit("align")
    assert not app.exception
    assert {"Barrier before (nat)", "Barrier after (nat)"} <= {m.label for m in app.metric}
    assert "The alignment lowers the barrier" in words(app)


def test_home_has_a_door_for_each_reader(visit):
    """Every page is one click away from home, the views of Learn as well."""
    app = visit("home")
    leads = {link.proto.page for link in app.get("page_link")}
    assert {name for name, _, _ in PAGES} - {"home", "train"} <= {lead.rsplit("/")[-1].split("?")[0] for lead in leads}


def test_a_copy_of_a_model_in_another_folder_does_not_rename_it(store, registered, work, tmp_path):
    """One file in two folders: each family calls it by its own name."""
    folder = tmp_path / "copies"
    folder.mkdir()
    for name, source in (("problem.toml", registered.folder / "problem.toml"), ("z.safetensors", registered.a)):
        (folder / name).write_bytes(source.read_bytes())
    store.submit(Look(str(folder)))
    work()
    every = families(store)
    for family in every:
        offered = choices(store, family, every)
        assert [offered[k].name for k in family.models] == [m.name for m in family.models.values()]
    assert {"a", "z"} <= {m.name for f in every for m in f.models.values()}


@pytest.mark.parametrize("page", ["align", "soup"])
def test_what_is_measured_can_be_asked_for_again(visit, store, work, page):
    """What is left of a run is told by its sampler, and some of these go by the points' values."""
    visit(page)
    work()
    for status in store.statuses("Run", limit=1000):
        store.forget(status.id)
    app = visit(page)
    assert not app.exception
    next(b for b in app.button if b.key.endswith("-go")).click().run()
    assert not app.exception
