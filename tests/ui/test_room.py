"""The room that runs take, on Runs: what is said of it, and what its buttons do."""

from __future__ import annotations

from tests.store.test_made_models import ALIGNED, TRAINED, put, through
from tests.store.test_upkeep import a_run, filled
from tests.ui.conftest import words


def button(app, label: str):
    """The one that is called so."""
    return next(b for b in app.button if b.label == label)


def test_the_largest_run_is_listed_first_with_its_size_and_can_be_pinned(visit, store):
    """As it is chosen: what it takes is said, and a click keeps it."""
    large, small = filled(store, a_run("large"), 3000), filled(store, a_run("small"), 10)
    app = visit("runs")
    next(t for t in app.toggle if t.label == "Largest first").set_value(True).run()
    assert app.dataframe[0].value["size"].iloc[0] == "3.7 MB"
    assert large.id in words(app) and "Takes 3.7 MB of points." in words(app)
    button(app, "Pin").click().run()
    assert large.field.id in store.pinned() and small.field.id not in store.pinned()
    assert "points; pinned." in words(app)
    button(app, "Unpin").click().run()
    assert large.field.id not in store.pinned()


def test_a_sweep_and_a_limit_are_a_click_each(visit, store):
    """What would go is said before; what nobody can read as a size is refused."""
    kept, gone = filled(store, a_run("kept"), 10), filled(store, a_run("gone"), 3000)
    store.forget(gone.id)
    app = visit("runs")
    assert "A sweep removes 3.7 MB" in words(app)
    next(e for e in app.expander if e.label == "Store")
    app.session_state["store"] = True
    app.run()
    button(app, "Sweep").click().run()
    assert not app.exception
    assert (store.count(gone.field.id), store.count(kept.field.id)) == (0, 10)
    assert "A sweep removes" not in words(app)
    app.text_input(key="limit").set_value("plenty").run()
    button(app, "Set").click().run()
    assert "A size is a number with a unit" in words(app)
    app.text_input(key="limit").set_value("1 kB").run()
    button(app, "Set").click().run()
    assert store.limit() == 1000
    assert "Nothing more may go" in words(app)
    with store._write() as db:
        db.execute("UPDATE wish SET created = 0, finished = 1")
        db.execute("UPDATE field SET created = 0")
    assert "the points of the runs that nobody opened for longest go" in words(app.run())


def test_a_run_that_somebody_opens_stays_for_a_day(visit, store):
    """Whichever page shows it."""
    run = filled(store, a_run("a"), 10)
    assert run.field.id not in store.next_to_go(), "it was finished just now"
    with store._write() as db:
        db.execute("UPDATE wish SET created = 0, finished = 1")
        db.execute("UPDATE field SET created = 0")
    assert run.field.id in store.next_to_go()
    visit("interpolate", run=run.id)
    assert run.field.id not in store.next_to_go()


def test_models_that_no_run_needs_are_shown_before_they_go(visit, store, home):
    """A click lists them, another one removes them."""
    kept, gone = put(ALIGNED, home), put(TRAINED, home)
    store.submit(through(ALIGNED))
    app = visit("runs")
    app.session_state["store"] = True
    app.run()
    button(app, "Models").click().run()
    assert not app.exception
    listed = next(d.value for d in app.dataframe if "file" in d.value)
    assert list(listed["file"]) == [gone.name] and gone.exists()
    button(app, f"Remove 1 file, {listed['size'].iloc[0]}").click().run()
    assert not app.exception
    assert kept.exists() and not gone.exists()
