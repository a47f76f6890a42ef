"""The profile of a terrain against what is known of it: widths are counts of points, heights are values, valleys nest as the merge tree does."""

import numpy as np
import pytest

from explorer.stats.landscape_profile import FINE, profile
from explorer.stats.merge_tree import merge_tree
from explorer.stats.neighbour_graph import grid


def made(values):
    """The tree and the terrain of values on a grid."""
    tree = merge_tree(grid(values.shape), values.ravel())
    return tree, profile(tree, values.ravel())


def width(terrain, height, among):
    """How wide the terrain is below a height, among some of its places."""
    inside = among & (terrain.y <= height)
    return np.ptp(terrain.x[inside])


def test_two_wells_have_their_widths_and_their_pass():
    """4 of 7 points run down to the deeper one below the pass at 6, 2 to the other; above they are one."""
    _, terrain = made(np.array([4.0, 0.0, 2.0, 5.0, 6.0, 1.0, 3.0]))
    assert terrain.bottom == pytest.approx([2.0 / 7 + 0.5 / 7, 5.5 / 7])
    assert [np.ptp(terrain.x[terrain.valley == i]) for i in (0, 1)] == pytest.approx([4 / 7, 2 / 7])
    ridge = terrain.y[(terrain.x > terrain.bottom[0]) & (terrain.x < terrain.bottom[1])].max()
    assert ridge == 6
    assert (terrain.x[0], terrain.x[-1]) == (0, 1)


@pytest.mark.parametrize("d", [2, 3])
def test_the_wells_of_a_plane_and_of_a_volume_are_as_wide_as_they_are_large(d):
    """Two bowls, one of them smaller: below each height each valley is as wide as the share of the points that are there, as far as its sides are drawn."""
    axes = np.meshgrid(*[np.linspace(-2, 2, 25 if d == 2 else 13)] * d, indexing="ij")
    rest = sum(axis**2 for axis in axes[1:])
    deep, flat = (axes[0] + 1) ** 2 + rest, 0.3 + 3 * ((axes[0] - 1.2) ** 2 + rest)
    values = np.minimum(deep, flat)
    tree, terrain = made(values)
    assert len(tree) == 2
    height = tree.deaths[1]
    for i, bowl in enumerate([deep, flat]):
        for level in (0.5, 0.9):
            low = tree.births[i] + level * (height - tree.births[i])
            count = ((values <= low) & (bowl == values)).sum()
            assert width(terrain, low, terrain.valley == i) == pytest.approx(count / values.size, abs=2 * (count / FINE + 1) / values.size)
    assert terrain.y[terrain.valley == 1].max() <= height < terrain.y.max() == values.max()


@pytest.mark.parametrize("seed", range(4))
def test_valleys_nest_as_the_tree_does(seed):
    """From left to right, without overlap; between two minima the highest place is the pass between them."""
    values = np.random.default_rng(seed).random((9, 9))
    tree, terrain = made(values)
    assert (np.diff(terrain.x) >= -1e-12).all()
    assert sorted(set(terrain.valley.tolist()) - {-1}) == list(range(len(tree)))
    for i in range(len(tree)):
        for j in range(i):
            left, right = sorted(terrain.bottom[[i, j]])
            between = terrain.y[(terrain.x >= left) & (terrain.x <= right)]
            assert between.max() == tree.pass_between(i, j)


def test_parts_that_no_point_joins_lie_side_by_side():
    """With nothing between them; what has no value has no width."""
    _, terrain = made(np.array([0.0, 2.0, np.nan, 1.0]))
    assert np.isnan(terrain.y).sum() == 1
    assert np.nanmax(terrain.x) == 1
    assert terrain.bottom[0] < 2 / 3 < terrain.bottom[1]


def test_nothing_measured_is_an_empty_terrain():
    """While the first cells are on their way."""
    _, terrain = made(np.full((2, 2), np.nan))
    assert terrain.x.size == terrain.bottom.size == 0
