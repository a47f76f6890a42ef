"""The same arrays as in Landscaper 1.3.1, whose own answers benchmarks/topology_of_landscaper.py recorded. It computes in single precision."""

import json
from pathlib import Path

import numpy as np
import pytest

from explorer.stats.diagram_distance import bottleneck
from explorer.stats.merge_tree import merge_tree
from explorer.stats.neighbour_graph import gabriel, grid
from explorer.stats.topology_numbers import climbs, diagram, normalised_smad, persistence_range, smad

RECORDED = json.loads(Path(__file__).with_name("topology_of_landscaper.json").read_text())
SINGLE = 1e-5
WHOLE = ("muller_brown",)  # arrays of which Landscaper's contour tree has all pairs


def edges(tree, values):
    """The merge tree as Landscaper lists it: from each minimum and saddle to the next saddle above."""
    found, top = set(), {}
    events = sorted((values[s], s, i) for i, s in enumerate(tree.saddles) if s >= 0)
    for _, saddle, i in events:
        for lake in (i, int(tree.into[i])):
            while tree.into[lake] >= 0 and values[tree.saddles[lake]] < values[saddle]:
                lake = int(tree.into[lake])
            below = top.get(lake, int(tree.lowest[lake]))
            if below != saddle:
                found.add((below, int(saddle)))
            top[lake] = int(saddle)
    return found


@pytest.mark.parametrize("name", RECORDED["arrays"])
def test_tree_persistence_and_basins_are_the_same(name):
    """Every minimum, where it merges and into which, what runs down to it, and the range of persistence over minima and maxima."""
    said = RECORDED["arrays"][name]
    field = np.array(said["values"])
    values, graph = field.ravel(), grid(field.shape)
    tree = merge_tree(graph, values)
    merges = {int(k): v for k, v in said["merges"].items()}
    assert set(tree.lowest.tolist()) == set(merges)
    contradicted = {("random", 3)}  # Landscaper's own merge tree, compared below, leads from there over the lower pass that is ours
    for i, low in enumerate(tree.lowest.tolist()):
        persistence, _, saddle = merges[low]  # the second is the minimum across the saddle, not the deepest one of that lake
        if tree.into[i] < 0:
            assert persistence == pytest.approx(np.ptp(values), rel=SINGLE)
        elif (name, low) in contradicted:
            assert values[tree.saddles[i]] < values[saddle]
        else:
            assert tree.saddles[i] == saddle
            assert tree.persistence[i] == pytest.approx(persistence, rel=SINGLE, abs=SINGLE)
    assert {k: sorted(np.flatnonzero(tree.basin == i).tolist()) for i, k in enumerate(tree.lowest.tolist())} == {
        int(k): sorted(v) for k, v in said["basins"].items()
    }
    top = int(values.argmax())
    theirs = {tuple(e) for e in said["tree_edges"]}
    assert edges(tree, values) <= theirs
    assert {(a, b) for a, b in theirs - edges(tree, values) if b != top and top not in (a, b)} == set()
    both = [diagram(merge_tree(graph, v), v) for v in (values, -values)]
    assert persistence_range(*both) == pytest.approx(said["persistence_range"], rel=SINGLE)


@pytest.mark.parametrize("name", RECORDED["arrays"])
def test_smad_is_the_mean_over_the_merge_tree_s_pairs(name):
    """Landscaper reads its pairs off a contour tree that leaves some minima out, and ends others where maxima meet; where it has all of them, its three
    numbers are ours. Over those of its pairs that are in its own merge tree the means agree everywhere."""
    said = RECORDED["arrays"][name]
    field = np.array(said["values"])
    values = field.ravel()
    tree = merge_tree(grid(field.shape), values)
    _, at = tree.meetings()
    ours = {(int(low), int(saddle)) for low, saddle in zip(tree.lowest, at, strict=True)}
    theirs = {(a, b) if values[a] < values[b] else (b, a) for a, b in said["saddle_minima_pairs"]}
    leaves = {tuple(e) for e in said["tree_edges"]} & {(m, s) for m, s in map(tuple, said["tree_edges"]) if m in tree.lowest}
    assert ours == leaves
    number = {low: i for i, low in enumerate(tree.lowest.tolist())}
    shared = ours & theirs
    assert len(shared) >= len(ours) / 2
    for low, saddle in shared:
        assert climbs(tree)[number[low]] == pytest.approx(values[saddle] - values[low])
    assert (ours == theirs) == (name in WHOLE)
    if name in WHOLE:
        assert smad(tree) == pytest.approx(said["smad"], rel=SINGLE)
        assert normalised_smad(tree, values) == pytest.approx(said["smad_normalised"], rel=SINGLE)
        assert smad(tree, weighted=True) == pytest.approx(said["smad_weighted"], rel=SINGLE)


def test_scattered_places_have_the_same_tree():
    """On its graph of empty balls, in three dimensions."""
    said = RECORDED["scattered"]
    values = np.array(said["values"])
    tree = merge_tree(gabriel(np.array(said["coords"])), values)
    top = int(values.argmax())
    theirs = {tuple(e) for e in said["tree_edges"]}
    assert edges(tree, values) == {e for e in theirs if top not in e}


def test_the_bottleneck_distance_is_gudhi_s():
    """Landscaper gives every pair the birth 0."""
    said = RECORDED["scattered"]
    a, b = (np.column_stack([np.zeros(len(p)), p]) for p in said["persistences"])
    assert bottleneck(a, b) == pytest.approx(said["bottleneck"])
