"""The panel of minima and passes on Landscape."""

import json

import numpy as np
import pytest

from explorer.core import registry
from explorer.stats.field_topology import basins, of_points
from explorer.stats.metrics import column
from explorer.ui.landscape import form as landscape_form
from tests.ui.test_landscape import three, words


def drawn(app):
    """What the pictures of minima are told."""
    return [json.loads(c.proto.json) for c in app.get("bidi_component") if c.proto.component_name.endswith("basins")]


def test_the_minima_are_shown_once_somebody_opens_the_panel(visit, store, work, tiny):
    """As many as the points have, with three pictures, numbers and table; the picked place's basin is marked; one picture, and one alone, talks to the plane."""
    run = landscape_form.through(tiny.problem.spec, three(tiny, store, work))
    store.submit(run)
    work()
    points = store.points(run.field.id)[0]
    window = registry.find("chart", "plane", function="window")(store.field(run.field.id).gram, **run.field.chart.kwargs())
    axis = np.linspace(0, 1, landscape_form.COARSE)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    points = store.points_at(run.field.id, grid)
    expected = basins(of_points(column(points, run.field.metrics, "loss"), window.places(points.coords)))
    low = expected[0].at
    app = visit("landscape", runs=run.id, at=f"{low[0]:g},{low[1]:g}", of="0")
    assert not app.exception
    assert not drawn(app)
    app.session_state["topology"] = True
    app.run()
    assert not app.exception
    pictures = drawn(app)
    assert [one["kind"] for one in pictures] == ["tree", "profile", "barcode"]
    assert [one["pick"] for one in pictures] == [0] * 3
    assert {len(one["minima"]) for one in pictures} == {len(expected)}
    assert [one["plane"] for one in pictures] == [f"landscape-{run.id}", "", ""]
    table = next(frame.value for frame in app.dataframe if "climb" in frame.value)
    assert list(table["value"]) == pytest.approx([b.value.value for b in expected])
    assert "noise cannot have made" in words(app)
    (numbers,) = [frame.value for frame in app.dataframe if "of the filled minima" in frame.value]
    assert next(iter(numbers["of the filled minima"])) == "SMAD"
