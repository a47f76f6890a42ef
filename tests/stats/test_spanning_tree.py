"""The spanning tree of barriers, against slower twins and by hand."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import minimum_spanning_tree

from explorer.stats.spanning_tree import Edge, basins, passes, spanning_tree


def barriers(n, seed=0):
    """Random symmetric barriers."""
    half = np.triu(np.random.default_rng(seed).random((n, n)), 1)
    return half + half.T


@pytest.mark.parametrize("seed", range(5))
def test_its_weight_is_that_of_scipy_s(seed):
    """The same sum of edges, and one fewer than there are models."""
    heights = barriers(8, seed)
    tree = spanning_tree(heights)
    assert len(tree) == 7
    assert sum(e.height for e in tree) == pytest.approx(minimum_spanning_tree(csr_matrix(heights)).sum())


@pytest.mark.parametrize("seed", range(5))
def test_the_highest_edge_on_the_way_is_the_lowest_maximum_of_all_ways(seed):
    """Against all ways by Floyd and Warshall with max instead of plus."""
    heights = barriers(7, seed)
    best = heights.copy()
    for k in range(7):
        best = np.minimum(best, np.maximum(best[:, k : k + 1], best[k : k + 1]))
    np.fill_diagonal(best, 0.0)
    assert passes(spanning_tree(heights), 7) == pytest.approx(best)


def test_a_barrier_of_zero_is_an_edge():
    """Models in one basin are joined first."""
    heights = np.array([[0, 0, 2], [0, 0, 1], [2, 1, 0.0]])
    assert spanning_tree(heights) == [Edge(0, 1, 0.0), Edge(1, 2, 1.0)]


def test_unknown_lines_leave_a_forest():
    """No edge is made up; from one part to another no way leads."""
    heights = np.full((4, 4), np.nan)
    heights[0, 1] = heights[1, 0] = 0.5
    heights[2, 3] = heights[3, 2] = 0.1
    tree = spanning_tree(heights)
    assert tree == [Edge(2, 3, 0.1), Edge(0, 1, 0.5)]
    assert np.isinf(passes(tree, 4)[0, 2])
    assert basins(tree, 4, 0.2) == [[0], [1], [2, 3]]


def test_one_model_and_none():
    """There is nothing to join."""
    assert spanning_tree(np.zeros((1, 1))) == []
    assert passes([], 1).tolist() == [[0.0]]
    assert basins([], 0, 1.0) == []


def test_every_model_is_in_a_group():
    """Also where a barrier is negative, and where no line is known: no threshold joins what nothing joins."""
    assert basins([Edge(0, 1, -1.0)], 2, -0.5) == [[0, 1]]
    assert basins([Edge(0, 1, -0.2)], 2, -0.5) == [[0], [1]]
    assert basins([], 2, np.inf) == [[0], [1]]
