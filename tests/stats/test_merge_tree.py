"""Merge trees, basins and their numbers: of functions that are known, of random ones against flooding level by level, and in several dimensions."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from explorer.stats.diagram_distance import bottleneck, wasserstein
from explorer.stats.merge_tree import merge_tree
from explorer.stats.neighbour_graph import Graph, gabriel, grid, nearest
from explorer.stats.topology_numbers import climbs, diagram, normalised_smad, persistence_range, smad


def parts(graph, inside):
    """(n,) which connected piece of those inside each point is in."""
    pairs = graph.pairs[inside[graph.pairs].all(axis=1)]
    return connected_components(csr_array((np.ones(len(pairs)), pairs.T), shape=(graph.n, graph.n)), directed=False)[1]


def graphs(seed):
    """A grid of three dimensions, one with diagonals, and scattered places, with values that tie."""
    rng = np.random.default_rng(seed)
    coords = rng.random((80, 4))
    for graph in (grid((4, 3, 5)), grid((7, 9), diagonals=True), nearest(coords, 3), gabriel(coords)):
        values = rng.integers(0, 9, graph.n).astype(float)
        values[rng.random(graph.n) < 0.1] = np.nan
        yield graph, values


@pytest.mark.parametrize("seed", range(4))
def test_lakes_are_the_pieces_of_every_level(seed):
    """For each pair of levels as many minima live from below one to above the other as pieces of the lower reach into those of the higher."""
    for graph, values in graphs(seed):
        tree = merge_tree(graph, values)
        for low in range(9):
            for high in range(low, 9):
                pieces = parts(graph, values <= high)
                assert ((tree.births <= low) & (tree.deaths > high)).sum() == len(set(pieces[values <= low]))


@pytest.mark.parametrize("seed", range(4))
def test_a_pass_between_two_minima_is_where_their_pieces_join(seed):
    """At its height both are in one piece, below it in two; inf where nothing joins them."""
    for graph, values in graphs(seed):
        tree = merge_tree(graph, values)
        for i in range(len(tree)):
            for j in range(i):
                height = tree.pass_between(i, j)
                at, below = (parts(graph, inside) for inside in (values <= height, values < height))
                together = at[tree.lowest[i]] == at[tree.lowest[j]]
                assert together == np.isfinite(height)
                assert not together or below[tree.lowest[i]] != below[tree.lowest[j]]
        meets, _ = tree.meetings()
        for i in range(len(tree)):
            assert meets[i] == min((tree.pass_between(i, j) for j in range(len(tree)) if j != i), default=np.inf)


@pytest.mark.parametrize("seed", range(4))
def test_every_point_runs_down_to_the_minimum_of_its_basin(seed):
    """By a way on which every step goes to the steepest neighbour: walked one by one. Without equal values."""
    graph = list(graphs(seed))[3][0]
    values = np.random.default_rng(seed).random(graph.n)
    tree = merge_tree(graph, values)
    beside = [[] for _ in range(graph.n)]
    for (a, b), length in zip(graph.pairs, graph.lengths, strict=True):
        beside[a].append((b, length))
        beside[b].append((a, length))
    for point in range(graph.n):
        here = point
        while lower := [((values[here] - values[b]) / length, b) for b, length in beside[here] if values[b] < values[here]]:
            here = max(lower)[1]
        assert tree.lowest[tree.basin[point]] == here
    assert tree.volumes().sum() == pytest.approx(1)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_a_product_of_wells_has_its_known_tree(dimensions):
    """Σ (x² − 1)² + 0.1 x: two minima along each axis, neighbours joined over one axis' pass, in equal basins but for the tilt."""
    x = np.linspace(-2, 2, 41 if dimensions < 3 else 17)
    well = (x**2 - 1) ** 2 + 0.1 * x
    axes = np.meshgrid(*[well] * dimensions, indexing="ij")
    values = sum(axes).ravel()
    tree = merge_tree(grid((len(x),) * dimensions), values)
    assert len(tree) == 2**dimensions
    low = well.argmin()
    other, top = len(x) - 1 - low, len(x) // 2
    climb = well[top] - well[other]
    assert tree.persistence[1:] == pytest.approx(climb)
    assert tree.births[0] == pytest.approx(dimensions * well[low])
    first = climbs(tree)
    deep = well[top] - well[low]
    all_deep = tree.births == tree.births[0]
    assert first[~all_deep] == pytest.approx(climb)  # over the axis on which it stands higher
    assert first[all_deep] == pytest.approx(deep)
    assert smad(tree) == pytest.approx(((2**dimensions - 1) * climb + deep) / 2**dimensions)
    assert normalised_smad(tree, values) == pytest.approx(smad(tree) / np.ptp(values))
    assert smad(tree, weighted=True) == pytest.approx((first * tree.volumes()).mean())
    assert tree.volumes() == pytest.approx(1 / 2**dimensions, abs=0.1)


def test_one_minimum_has_no_saddle():
    """A bowl and a plain: SMAD is 0, the one basin is everything."""
    y, x = np.mgrid[-3:4, -3:4]
    for values in ((x**2 + y**2).astype(float).ravel(), np.full(49, 2.0)):
        tree = merge_tree(grid((7, 7)), values)
        assert (len(tree), smad(tree), normalised_smad(tree, values)) == (1, 0.0, 0.0)
        assert tree.volumes().tolist() == [1.0]
    assert len(merge_tree(grid((3, 3)), np.full(9, np.nan))) == 0
    assert smad(merge_tree(grid((0,)), np.empty(0))) == 0.0


def test_muller_brown_has_three_minima_and_two_passes():
    """Müller & Brown 1979: −146.700 at (−0.558, 1.442), −108.167 at (0.623, 0.028), −80.768 at (−0.050, 0.467); passes at −40.665 and −72.249."""
    x, y = np.meshgrid(np.linspace(-1.5, 1.2, 541), np.linspace(-0.4, 2.0, 481))
    terms = ((-200, -1, 0, -10, 1, 0), (-100, -1, 0, -10, 0, 0.5), (-170, -6.5, 11, -6.5, -0.5, 1.5), (15, 0.7, 0.6, 0.7, -1, 1))
    values = sum(A * np.exp(a * (x - p) ** 2 + b * (x - p) * (y - q) + c * (y - q) ** 2) for A, a, b, c, p, q in terms).ravel()
    tree = merge_tree(grid(x.shape, diagonals=True), values).simplified(1.0)
    assert tree.births == pytest.approx([-146.700, -108.167, -80.768], abs=0.05)
    assert tree.deaths[1:] == pytest.approx([-40.665, -72.249], abs=0.05)
    assert tree.into.tolist() == [-1, 0, 1]
    places = np.column_stack([x.ravel(), y.ravel()])[tree.lowest]
    assert places == pytest.approx(np.array([[-0.558, 1.442], [0.623, 0.028], [-0.050, 0.467]]), abs=0.01)


def test_maxima_are_the_minima_of_the_negative():
    """Of a chain with two peaks."""
    values = np.array([0.0, 3.0, 1.0, 2.0, 0.5])
    tree = merge_tree(grid((5,)), -values)
    assert tree.lowest.tolist() == [1, 3]
    assert (-tree.births).tolist() == [3.0, 2.0]
    assert -tree.deaths[1] == 1.0


def test_a_simplified_tree_takes_in_the_basins_of_those_that_went():
    """And its passes are those of the minima left."""
    values = np.array([0.0, 4.0, 2.0, 6.0, 1.0, 1.5, 1.2])
    tree = merge_tree(grid((7,)), values)
    assert tree.lowest.tolist() == [0, 4, 2, 6]
    few = tree.simplified(1.0)
    assert few.lowest.tolist() == [0, 4, 2]
    assert few.basin.tolist() == [0, 0, 2, 1, 1, 1, 1]
    assert smad(few) == pytest.approx((4 + 5 + 2) / 3)
    one = tree.simplified(3.0)
    assert one.basin.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert smad(one) == pytest.approx((6 + 5) / 2)


def test_a_large_field_takes_seconds():
    """216 000 points of three dimensions in two seconds. The share of points of white noise that are minima is known: 1 in 7 inside, 6 and 5 on sides and edges."""
    side = 60
    tree = merge_tree(grid((side,) * 3), np.random.default_rng(0).random(side**3))
    inside = side - 2
    assert len(tree) == pytest.approx(inside**3 / 7 + 6 * inside**2 / 6 + 12 * inside / 5 + 8 / 4, rel=0.02)


def test_the_gabriel_graph_is_its_definition():
    """Compared with all triples; joined, and a grid's is the grid without diagonals."""
    coords = np.random.default_rng(3).random((40, 3))
    square = ((coords[:, None] - coords[None]) ** 2).sum(axis=2)
    expected = [
        (i, j) for i in range(40) for j in range(i + 1, 40) if all(square[i, k] + square[j, k] > square[i, j] for k in range(40) if k not in (i, j))
    ]
    graph = gabriel(coords)
    assert sorted(map(tuple, graph.pairs.tolist())) == expected
    assert len(set(parts(graph, np.ones(40, dtype=bool)))) == 1
    lattice = np.stack(np.meshgrid(*[np.arange(4.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    assert sorted(gabriel(lattice).pairs.tolist()) == sorted(np.sort(grid((4, 4, 4)).pairs, axis=1).tolist())


def test_neighbours_of_one_point_and_wrong_shapes():
    """No edge; and what was expected is said."""
    assert merge_tree(gabriel(np.zeros((1, 2))), np.array([3.0])).births.tolist() == [3.0]
    with pytest.raises(ValueError, match=r"\(n, d\)"):
        nearest(np.zeros(3), 2)
    with pytest.raises(ValueError, match="each of 4 points"):
        merge_tree(Graph(4, np.empty((0, 2), np.int64), np.empty(0)), np.zeros(3))


def test_distances_of_hand_made_diagrams():
    """Matched, or left on the diagonal at half the persistence."""
    a, b = np.array([[0.0, 10.0], [2.0, 3.0]]), np.array([[1.0, 9.5]])
    assert bottleneck(a, b) == 1.0
    assert wasserstein(a, b) == 1.5
    assert wasserstein(a, b, order=2) == pytest.approx(np.sqrt(1.25))
    assert bottleneck(a, np.empty((0, 2))) == 5.0
    assert bottleneck(np.empty((0, 2)), np.empty((0, 2))) == wasserstein(np.empty((0, 2)), np.empty((0, 2))) == 0.0
    assert bottleneck(a, a) == wasserstein(a, a) == 0.0
    lasting = np.array([[0.0, np.inf]])
    assert bottleneck(np.concatenate([a, lasting]), np.concatenate([b, lasting + 3])) == 3.0
    assert wasserstein(np.concatenate([a, lasting]), np.concatenate([b, lasting + 3])) == 4.5
    assert bottleneck(lasting, b) == np.inf
    with pytest.raises(ValueError, match="finite"):
        bottleneck(np.array([[np.nan, 1.0]]), b)


@pytest.mark.parametrize("seed", range(5))
def test_diagrams_are_no_farther_apart_than_their_functions(seed):
    """Stability, where what never dies is given the function's highest value."""
    rng = np.random.default_rng(seed)
    graph, values = grid((8, 8)), rng.random(64)
    other = values + rng.uniform(-0.05, 0.05, 64)
    both = [diagram(merge_tree(graph, v), v) for v in (values, other)]
    assert 0 < bottleneck(*both) <= 0.05 + 1e-12
    assert persistence_range(both[0]) == np.ptp(both[0][:, 1] - both[0][:, 0])
