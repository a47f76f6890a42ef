"""The line's page offers every metric that suits, and measures the line for the one that is asked for."""

from explorer.api import interpolate
from tests.ui.conftest import words


def test_a_line_is_shown_by_a_metric_that_it_was_not_measured_for(visit, registered, store, home, work):
    """It is measured for it, and the barrier is the one of the api; accuracy needs nothing new, and is said to fall."""
    id = store.submit(registered.run(size=9))
    work()
    visit("interpolate", run=id)
    before = len(store.statuses("Run"))
    app = visit("interpolate", run=id, metric="accuracy")
    assert not app.exception and "falls below the straight line" in words(app)
    assert len(store.statuses("Run")) == before
    visit("interpolate", run=id, metric="brier")
    work()
    app = visit("interpolate", run=id, metric="brier")
    assert not app.exception
    line = interpolate(registered.a, registered.b, problem=registered.folder, metrics=["brier"], sampler="grid", options={"size": 9})
    assert line.barrier("brier").height.parts()[0] in words(app)
    assert "At the measured points the Brier score rises" in words(app)
