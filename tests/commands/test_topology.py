"""`loss-explorer topology`."""

from explorer.api import landscape_around, topology
from explorer.core import locations
from explorer.store.run_store import RunStore
from tests.commands.test_main import run


def test_a_measured_run_s_minima_are_printed_and_written(tiny, home, tmp_path):
    """The same numbers as in Python; beside another run how far apart the two are; a run that is not there is refused."""
    planes = [landscape_around(model, problem=tiny.folder, size=5) for model in (tiny.a, tiny.b)]
    store = RunStore.within(locations.home(None))
    for plane in planes:
        store.filed(plane.run, len(plane.points))
    shape = topology(planes[0].run.id)
    text = run("topology", planes[0].run.id, "--against", planes[1].run.id, "--data", tmp_path / "minima.csv", "--figure", tmp_path / "tree.svg")
    assert f"SMAD: {shape.smad().formatted(unit='nat')}" in text
    assert f"bottleneck distance to {planes[1].run.id}: {shape.distance(topology(planes[1].run)).formatted(unit='nat')}" in text
    assert (tmp_path / "minima.csv").read_text().count("\n") == 1 + len(shape.to_frame())
    assert (tmp_path / "tree.svg").read_text().lstrip().startswith("<")
    assert "no run 0123" in run("topology", "0123", code=2)
    assert "exists already" in run("topology", planes[0].run.id, "--data", tmp_path / "minima.csv", code=2)


def test_a_plane_prints_its_topology_when_asked(tiny, home):
    """The table and the numbers."""
    text = run("plane", tiny.a, "--around", "random", "--size", 5, "--problem", tiny.folder, "--topology")
    assert "Topology of the loss at 25 points" in text
    assert "SMAD" in text
