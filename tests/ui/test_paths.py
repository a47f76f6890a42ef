"""The Paths page: from two ends to a comparison of the ways between them."""

import pytest

from explorer.api import loaded
from explorer.core import locations, registry
from explorer.core.spec import Connected
from explorer.engine.run_loop import keep
from explorer.ui.paths import form as paths_form
from tests.ui.conftest import button, words


def ways(tiny, *names, **options):
    """The straight line and the given trained ways between the tiny checkpoints."""
    spec, a, b = tiny.problem.spec, loaded(tiny.a), loaded(tiny.b)
    return [
        paths_form.straight(spec, a, b),
        *(paths_form.trained(spec, a, b, registry.method("connect", n, {"epochs": 4, **options})) for n in names),
    ]


def address(found):
    return ",".join(w.run.id for w in found)


def test_two_ways_are_compared(visit, registered, store, work):
    """Compare → waiting → the worker trains and measures → a table with both, and a file of the data."""
    first = loaded(registered.a)
    app = visit("paths", a=first.digest, b=loaded(registered.b).digest)
    assert not app.exception
    button(app, "Compare").click().run()
    assert not app.exception
    asked = [s for s in store.statuses("Run") if s.state == "waiting"]
    assert {paths_form.name_of(s.request) for s in asked} == {"straight line", "bezier"}
    work()
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["path"]) == ["straight line", "bezier"]
    segment, curve = (float(x.split()[0]) for x in table["barrier (nat), 95 %"])
    assert curve < segment
    assert float(table["÷ distance"][0]) == 1.0
    assert float(table["÷ distance"][1]) >= 1.0


@pytest.mark.parametrize("by_length", ["true", "false"])
def test_a_permalink_brings_the_comparison_and_the_picked_point_back(visit, registered, store, work, by_length):
    """Ways, options, and the model at a point of the trained way."""
    found = ways(registered, "bezier", bends=2)
    for way in found:
        store.submit(way.run)
    work()
    app = visit("paths", runs=address(found), t="0.4", length=by_length)
    assert not app.exception
    assert next(n for n in app.number_input if n.label == "bends").value == 2
    work()
    app.run()
    assert not app.exception
    text = words(app)
    assert "The model at t = 0.4" in text
    assert "bezier bend 1" in text
    assert {"test accuracy", "test loss"} <= {m.label for m in app.metric}


def test_a_way_in_training_is_drawn_as_it_stood(visit, registered, store, work, home):
    """Stages that were kept are measured at a few points and shown until the way itself is there."""
    (_, way) = ways(registered, "polychain")
    store.submit(way.run)
    keep(paths_form.straight(registered.problem.spec, loaded(registered.a), loaded(registered.b)).run, store, home, report=lambda *_: True)
    (corner,) = [c for c in way.run.field.corners if isinstance(c, Connected)]
    from explorer.engine.realise_recipe import realise

    realise(corner, store, home)
    assert locations.made_at(Connected(corner.problem, corner.ends, 0, corner.method, at=2), home).is_file()
    app = visit("paths", runs=way.run.id)
    assert not app.exception
    early = [s for s in store.statuses("Run") if s.state == "waiting" and s.urgent]
    assert early, "the stages are asked for, ahead of what waits"
    store.stop(way.run.id)
    work()
    app.run()
    assert not app.exception
    assert "in training" in str(app.dataframe[0].value["path"][0])


def test_stop_and_resume(visit, registered, store):
    """All that still goes on is stopped, and can be taken up again."""
    found = ways(registered, "bezier")
    for way in found:
        store.submit(way.run)
    app = visit("paths", runs=address(found))
    button(app, "Stop").click().run()
    assert {store.status(w.run.id).state for w in found} == {"stopped"}
    button(app, "Resume").click().run()
    assert {store.status(w.run.id).state for w in found} == {"waiting"}
    assert not app.exception


def test_a_training_that_diverges_says_so(visit, registered, store, work):
    """One sentence, with what to do; the other way is shown."""
    found = ways(registered, "bezier", lr=100.0, weight_decay=100.0, epochs=50)
    for way in found:
        store.submit(way.run)
    work()
    app = visit("paths", runs=address(found))
    assert not app.exception
    assert any("diverged" in e.value for e in app.error)
    assert list(app.dataframe[0].value["path"]) == ["straight line"]


@pytest.mark.parametrize("typed", ["0123456789abcdef", "nonsense,too", ","])
def test_an_address_of_ways_that_are_not_here_says_so(visit, registered, typed):
    """No blank page, no exception."""
    app = visit("paths", runs=typed)
    assert not app.exception
    assert bool(app.warning) == (typed != ",")


def test_a_trained_way_is_not_taken_for_a_line(visit, registered, store):
    """The Interpolate page says that there is no such run; Runs leads to Paths."""
    (_, way) = ways(registered, "bezier")
    store.submit(way.run)
    app = visit("interpolate", run=way.run.id)
    assert not app.exception
    assert "There is no run" in app.warning[0].value
    app = visit("runs")
    assert not app.exception
    assert "bezier" in words(app)
