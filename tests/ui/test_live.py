"""What was measured of objects in a notebook, seen from the app's process, which does not hold them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explorer.api import interpolate, landscape_around
from explorer.problems import held, problem

X = torch.randn(120, 5, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def mlp(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.fixture
def how(home):
    """A loss and a metric of one's own."""
    hits = ("high", lambda o, t: (o.argmax(1) == t).float())
    return {"data": (X, Y), "loss": nn.CrossEntropyLoss(label_smoothing=0.1), "metrics": {"hits": hits}, "home": home}


@pytest.fixture
def elsewhere(monkeypatch):
    """From now on this is another process."""

    def leave() -> None:  # what a process keeps is not there in the next
        for table in ("_networks", "_losses", "_metrics", "_data"):
            monkeypatch.setattr(held, table, type(getattr(held, table))())
        for kept in (problem._dataset, problem._skeleton, problem._fits):
            kept.cache_clear()

    return leave


def text(app) -> str:
    return "\n".join(str(e.value) for kind in (app.markdown, app.caption, app.error, app.warning, app.info) for e in kind)


def test_a_line_is_shown_with_its_own_metric_and_more_is_refused(how, elsewhere, visit, work):
    """Its numbers and words; a click on a point that was not measured says where it can be."""
    line = interpolate(mlp(0), mlp(1), sampler="grid", options={"size": 5}, **how)
    elsewhere()
    app = visit("interpolate", run=line.run.id)
    assert not app.exception and "Sequential 1" in text(app)
    app = visit("interpolate", run=line.run.id, metric="hits")
    assert not app.exception and "below the straight line" in text(app)
    assert "measure more there" in text(app) and "What is shown below was measured for" not in text(app)
    app = visit("interpolate", run=line.run.id, t="0.3")
    work()
    app.run()
    assert not app.exception and "object in the memory of the Python process that measured it" in text(app)


def test_a_path_has_a_row_for_a_metric_of_no_known_direction(how, elsewhere, visit):
    """From its lowest to its highest value, with its mean and its length, and no barrier: nobody knows which values would be the worse ones."""
    line = interpolate(mlp(0), mlp(1), sampler="grid", options={"size": 5}, **(how | {"metrics": {"first": lambda o, t: o[:, 0]}}))
    elsewhere()
    app = visit("paths", runs=line.run.id, metric="first")
    assert not app.exception, app.exception[0].value
    (row,) = app.dataframe[0].value.to_dict("records")
    assert [name for name in row if "barrier" in name or "between" in name] == []
    low, high, *ends = (float(text.split(" ")[0].replace("−", "-")) for text in (row["minimum"], row["maximum"], *row["ends"].split(", ")))
    assert low <= min(ends) <= max(ends) <= high and low < high
    assert row["path mean"] and row["÷ distance"] == "1.000"


def test_a_plane_is_shown(how, elsewhere, visit):
    """With its extremes, by any of its metrics."""
    plane = landscape_around(mlp(0), size=5, **how)
    elsewhere()
    for metric in ("loss", plane.run.field.metrics[2]):
        app = visit("landscape", runs=plane.run.id, metric=metric)
        assert not app.exception and not app.error


def test_the_history_lists_it(how, elsewhere, visit):
    """As done, by the names of its networks."""
    interpolate(mlp(0), mlp(1), sampler="grid", options={"size": 5}, **how)
    elsewhere()
    app = visit("runs")
    assert not app.exception and "Sequential 1 → Sequential 2" in text(app) and "120 samples in memory" in text(app)
