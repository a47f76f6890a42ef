"""The topology of a measured plane in Python."""

import numpy as np
import pytest

from explorer.api import Refused, landscape, landscape_around, topology
from explorer.stats.merge_tree import merge_tree
from explorer.stats.neighbour_graph import grid


def test_a_plane_s_minima_are_those_of_its_surface(tiny, home, tmp_path):
    """As many, at the same places, with values inside their intervals; the real ones are some of them; the table and pictures are files."""
    plane = landscape_around(tiny.a, problem=tiny.folder, size=9, extent=2.0)
    shape = plane.topology()
    surface = plane.surface().z
    tree = merge_tree(grid(surface.shape, diagonals=True), surface.ravel())
    table = shape.to_frame()
    assert sorted(table["value"]) == pytest.approx(sorted(tree.births))
    assert ((table["value_low"] < table["value"]) & (table["value"] < table["value_high"])).all()
    assert table.attrs["units"]["climb"] == "nat"
    real = shape.minima()
    assert 1 <= len(real) <= len(tree)
    lowest = plane.extremes()[0]
    assert real[0].place == pytest.approx([lowest.x, lowest.y])
    assert shape.model(0) == plane.model(lowest.x, lowest.y)
    shape.save_data(tmp_path / "minima.csv")
    assert (tmp_path / "minima.csv").read_text().startswith("x,y,value (nat)")
    for kind in ("tree", "barcode", "diagram"):
        assert shape.figure(kind).data
    assert "noise" in repr(shape)
    again = topology(plane.run)
    assert again.to_frame().equals(table)


def test_two_landscapes_are_as_far_apart_as_their_diagrams(tiny, home):
    """Nothing from itself; the interval of a distance holds the number; refused between metrics."""
    one, other = (landscape_around(model, problem=tiny.folder, size=5).topology() for model in (tiny.a, tiny.b))
    assert one.distance(one).value == 0.0
    for method in ("bottleneck", "wasserstein"):
        far = one.distance(other, method=method)
        assert far.low <= far.value <= far.high
    error = landscape_around(tiny.a, problem=tiny.folder, size=5).topology("error")
    assert error.smad().value >= 0.0
    assert np.isfinite(error.persistence_range().value)
    with pytest.raises(Refused, match="one metric"):
        one.distance(error)


def test_what_has_no_topology_is_refused_with_the_reason(tiny, home):
    """A run that is not there, a metric that is good when high or not measured, a number too large."""
    plane = landscape(tiny.a, tiny.b, _third(tiny), problem=tiny.folder, size=3)
    with pytest.raises(Refused, match="no run 0123"):
        topology("0123")
    with pytest.raises(Refused, match="ask for the error"):
        plane.topology("accuracy")
    with pytest.raises(Refused, match="not measured for 'brier'"):
        plane.topology("brier")
    with pytest.raises(Refused, match="numbered from 0"):
        plane.topology().model(99)
    with pytest.raises(Refused, match="either normalised or weighted"):
        plane.topology().smad(normalised=True, weighted=True)
    with pytest.raises(Refused, match="tree, barcode, diagram"):
        plane.topology().figure("mountain")


def _third(tiny):
    from explorer.checkpoints import checkpoint_file

    path = tiny.folder.parent / "third.safetensors"
    weights = checkpoint_file.read(tiny.a).weights
    checkpoint_file.write(path, {n: w.flip(0) for n, w in weights.items()})
    return path
