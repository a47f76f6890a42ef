"""The Paths page's view of stability: of shipped branches, and trained anew."""

from explorer import methods
from explorer.stability import branches, line
from explorer.ui import stability
from tests.pages.conftest import words
from tests.pages.test_landscape import button


def test_the_shipped_branches_are_found_by_their_names_and_measured(visit, store, work):
    """Five pairs; the table has the barrier of each, and a sentence says from which epoch on they are connected."""
    app = visit("paths", view="stability")
    assert not app.exception
    button(app, "Measure").click().run()
    assert not app.exception
    work()
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["k"]) == [0, 1, 2, 5, 10]
    assert "Called connected" in words(app)


def test_a_training_anew_is_branched_where_it_was_asked(visit, registered, store, work):
    """The address brings trunk and epochs back into the form."""
    trunk = methods.method("train", "sgd", {"epochs": 3, "noise": 0.1})
    pairs = [stability.Pair(b.k, line(registered.problem.spec, b)) for b in branches(registered.problem.spec, trunk, [0, 1, 3])]
    for pair in pairs:
        store.want(pair.run)
    work()
    app = visit("paths", view="stability", runs=",".join(p.run.id for p in pairs))
    assert not app.exception
    assert next(t for t in app.text_input if t.label == "Branch at epochs").value == "0 1 3"
    assert next(n for n in app.number_input if n.label == "epochs").value == 3
    table = app.dataframe[0].value
    assert list(table["k"]) == [0, 1, 3]
    assert table["barrier (points of error), 95 %"].iloc[-1] == "0 [0, 0]"


def test_nonsense_for_epochs_is_a_sentence(visit, registered):
    """And no run is asked for."""
    app = visit("paths", view="stability")
    next(c for c in app.get("button_group") if c.label == "Copies").set_value("train anew").run()
    next(t for t in app.text_input if t.label == "Branch at epochs").set_value("1 seven").run()
    assert not app.exception
    assert any("seven" in e.value for e in app.error)
