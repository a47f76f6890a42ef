"""Live widgets: what they are told, and a click that becomes a model."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from explorer.api import align, interpolate, landscape_around, make
from explorer.checkpoints import checkpoint_file
from explorer.core.errors import Refused

GRID = {"sampler": "grid", "options": {"size": 5}}


@pytest.fixture
def line(tiny, home):
    return interpolate(tiny.a, tiny.b, **GRID)


def weights(path) -> dict[str, torch.Tensor]:
    return dict(checkpoint_file.read(path).weights)


def test_a_curve_is_told_its_points_and_its_barrier(line):
    """As the app's curve is; all of it is JSON."""
    data = json.loads(json.dumps(line.widget().data, allow_nan=False))
    (curve,) = data["curves"]
    assert curve["x"] == [0, 0.25, 0.5, 0.75, 1] and curve["y"] == pytest.approx(line.points.means()[:, 0].tolist())
    assert curve["peak"]["label"] == f"barrier {line.barrier().height.formatted(unit='nat')}"
    assert data["yTitle"] == "test loss (nat)" and line.widget("error").data["yTitle"] == "test error (%)"


def test_a_click_on_a_curve_is_a_model(tiny, line):
    """What the browser sends becomes coordinates, and these a model: here three quarters of one and a quarter of the other."""
    widget = line.widget()
    seen: list[object] = []
    widget.observe(lambda change: seen.append(change["new"]), "selected")
    widget.pick = {"x": 0.25, "at": 1}
    assert widget.selected == (0.25,) and seen == [(0.25,)]
    made, a, b = weights(make(widget.model())), weights(tiny.a), weights(tiny.b)
    assert all(torch.allclose(made[name], 0.75 * a[name] + 0.25 * b[name]) for name in a)
    widget.pick = {"x": None, "at": 2}
    assert widget.selected is None


def test_a_click_in_a_plane_is_a_model(tiny, home):
    """A place in distances: the plane's own middle is the model around which it is."""
    plane = landscape_around(tiny.a, size=3)
    widget = plane.widget()
    assert np.array_equal(np.frombuffer(widget.data["z"], "<f4").reshape(3, 3), plane.surface("loss").z.astype("<f4"))
    at = plane.markers()[0]
    widget.pick = {"x": at.x, "y": at.y, "on": None, "at": 1}
    assert widget.selected == (at.x, at.y)
    made, a = weights(make(widget.model())), weights(tiny.a)
    assert all(torch.allclose(made[name], a[name], atol=1e-6) for name in a)
    right = weights(make(plane.model(at.x + 0.5, at.y)))
    assert float(torch.cat([(right[n] - a[n]).flatten() for n in a]).norm()) == pytest.approx(0.5, rel=1e-4)


def test_before_a_click_there_is_no_model(line):
    """The sentence says what to do."""
    with pytest.raises(Refused, match=r"No point is selected yet\. Click one"):
        line.widget().model()


def test_a_widget_of_a_pair_shows_before_and_after(tiny, home):
    """A click is on the line after the alignment."""
    (pair,) = align(tiny.a, tiny.b, **GRID).pairs
    widget = pair.widget()
    assert [curve["name"] for curve in widget.data["curves"]] == ["after the alignment", "before"]
    assert [curve["ghost"] for curve in widget.data["curves"]] == [False, True]
    widget.pick = {"x": 1.0, "at": 1}
    assert widget.model().name == "b (weight matching)"


def test_without_anywidget_a_widget_is_refused_and_the_rest_works(line, monkeypatch):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(Refused, match=r"pip install 'explorer\[notebook\]'"):
        line.widget()
    assert "data:image/svg+xml" in line._repr_html_()


def test_a_store_that_is_gone_is_said(tiny, line, tmp_path, monkeypatch):
    """A point's model needs the inner products that are kept there."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(Refused, match=r"no longer in .*elsewhere.*Measure it again"):
        line.model(0.5)
