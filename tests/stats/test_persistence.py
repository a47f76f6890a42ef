"""Minima and passes of surfaces that are known, and of random ones against a sweep of thresholds."""

from typing import NamedTuple

import numpy as np
import pytest

from explorer.stats.merge_tree import merge_tree
from explorer.stats.neighbour_graph import grid

NAN = np.nan


class Minimum(NamedTuple):
    """A minimum by its row and column, as the tests read it."""

    cell: tuple[int, int]
    birth: float
    death: float = float("inf")
    saddle: tuple[int, int] | None = None
    into: int | None = None

    @property
    def persistence(self):
        return self.death - self.birth


def minima(surface, *, neighbours=8, threshold=-np.inf):
    """The merge tree of a surface, cell by cell."""
    nx = surface.shape[1]
    tree = merge_tree(grid(surface.shape, diagonals=neighbours == 8), surface.ravel()).simplified(threshold)
    ends = zip(tree.lowest.tolist(), tree.births.tolist(), tree.deaths.tolist(), tree.saddles.tolist(), tree.into.tolist(), strict=True)
    return [Minimum(divmod(m, nx), b, d, divmod(s, nx), i) if i >= 0 else Minimum(divmod(m, nx), b) for m, b, d, s, i in ends]


def pieces(inside, neighbours):
    """(ny, nx) number of the connected piece of each cell that is inside, 0 elsewhere: by flooding, cell by cell."""
    found = np.zeros(inside.shape, dtype=int)
    count = 0
    for start in zip(*np.nonzero(inside), strict=True):
        if found[start]:
            continue
        count += 1
        open_cells = [start]
        while open_cells:
            i, j = open_cells.pop()
            if 0 <= i < inside.shape[0] and 0 <= j < inside.shape[1] and inside[i, j] and not found[i, j]:
                found[i, j] = count
                steps = [(di, dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
                open_cells += [(i + di, j + dj) for di, dj in steps if neighbours == 8 or 0 in (di, dj)]
    return found


def lasting(surface, low, high, neighbours):
    """How many pieces of {≤ high} hold a cell of {≤ low}: the persistent Betti number, which decides the diagram when known for all pairs."""
    inside = np.isfinite(surface)
    labels = pieces(inside & (surface <= high), neighbours)
    return len(set(labels[inside & (surface <= low)]) - {0})


@pytest.mark.parametrize("neighbours", [4, 8])
@pytest.mark.parametrize("seed", range(5))
def test_the_diagram_is_that_of_a_sweep_of_thresholds(seed, neighbours):
    """On rough surfaces with many equal values and holes, for every pair of thresholds."""
    rng = np.random.default_rng(seed)
    surface = rng.integers(0, 7, (6, 8)).astype(float)
    surface[rng.random((6, 8)) < 0.15] = NAN
    surface[2, 3] = np.inf
    found = minima(surface, neighbours=neighbours)
    for low in range(7):
        for high in range(low, 7):
            assert sum(m.birth <= low and m.death > high for m in found) == lasting(surface, low, high, neighbours)
    for m in found:
        assert surface[m.cell] == m.birth
        assert m.saddle is None or surface[m.saddle] == m.death > m.birth


@pytest.mark.parametrize("seed", range(4))
def test_a_minimum_joins_a_deeper_one_at_its_saddle_and_not_before(seed):
    """Both lie in one piece of {≤ death}; without the saddle's value they do not."""
    surface = np.random.default_rng(seed).random((9, 7))
    found = minima(surface, neighbours=4)
    assert len(found) > 3
    for m in found:
        if m.into is None:
            continue
        deeper = found[m.into]
        assert deeper.birth < m.birth
        assert deeper.persistence > m.persistence
        at, below = pieces(surface <= m.death, 4), pieces(surface < m.death, 4)
        assert at[m.cell] == at[deeper.cell]
        assert below[m.cell] != below[deeper.cell]


def test_two_wells_have_the_saddle_of_the_formula():
    """f = (x² − 1)² + 0.3 x + y²: the shallower well, right, dies at the maximum between them on y = 0."""
    x, y = np.linspace(-2, 2, 401), np.linspace(-1, 1, 21)
    found = minima((x**2 - 1) ** 2 + 0.3 * x + y[:, None] ** 2)
    roots = np.sort(np.roots([4, 0, -4, 0.3]).real)
    left, top, right = ((r**2 - 1) ** 2 + 0.3 * r for r in roots)
    assert len(found) == 2
    assert (found[0].birth, found[1].birth, found[1].death) == pytest.approx((left, right, top), abs=1e-3)
    assert found[1].saddle == (10, int(np.abs(x - roots[1]).argmin()))
    assert (found[0].into, found[1].into) == (None, 0)


def test_a_chain_of_lakes_dies_in_the_order_of_their_passes():
    """By the elder rule the lake in the middle goes left, and the right one then into the lake of both."""
    first, second, third = minima(np.array([[0.0, 4.0, 2.0, 6.0, 1.0]]))
    assert (first.birth, first.death, first.into) == (0.0, float("inf"), None)
    assert (second.cell, second.birth, second.death, second.saddle, second.into) == ((0, 4), 1.0, 6.0, (0, 3), 0)
    assert (third.cell, third.birth, third.death, third.saddle, third.into) == ((0, 2), 2.0, 4.0, (0, 1), 0)


def test_three_lakes_can_meet_in_one_cell():
    """Both shallower ones die there, in the deepest."""
    surface = np.array([[0.0, 9.0, 1.0], [9.0, 5.0, 9.0], [9.0, 9.0, 2.0]])
    found = minima(surface)
    assert [(m.birth, m.death, m.into) for m in found] == [(0.0, float("inf"), None), (1.0, 5.0, 0), (2.0, 5.0, 0)]


def test_corners_join_cells_only_when_eight_neighbours_count():
    """A diagonal valley is one lake or three."""
    surface = 1 - np.eye(3)
    assert len(minima(surface, neighbours=8)) == 1
    assert [m.death for m in minima(surface, neighbours=4)] == [float("inf"), 1.0, 1.0]


def test_a_flat_bottom_is_one_minimum():
    """However it winds: pieces of it that meet at their own height are no minima."""
    surface = np.array([[0.0, 1, 0, 1, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0.0]])
    assert [(m.cell, m.birth) for m in minima(surface, neighbours=4)] == [((0, 0), 0.0)]
    assert len(minima(np.full((4, 5), 2.5))) == 1


def test_of_two_equal_minima_the_first_row_by_row_stays():
    """The same on every machine."""
    found = minima(np.array([[3.0, 0.0], [7.0, 7.0], [0.0, 2.0]]), neighbours=4)
    assert [(m.cell, m.into) for m in found] == [((0, 1), None), ((2, 0), 0)]


def test_parts_that_holes_divide_have_a_minimum_each():
    """What is not finite is not there: nothing joins across it, and a surface without cells has no minimum."""
    for hole in (NAN, np.inf, -np.inf):
        found = minima(np.array([[1.0, hole, 0.0], [2.0, hole, 3.0]]))
        assert [(m.birth, m.death) for m in found] == [(0.0, float("inf")), (1.0, float("inf"))]
    assert minima(np.full((3, 3), NAN)) == []
    assert minima(np.empty((0, 4))) == []


@pytest.mark.parametrize("seed", range(4))
def test_noise_moves_no_minimum_of_more_than_twice_its_size(seed):
    """Stability: above a persistence of 2e there are as many minima with noise up to e as the surface without it has."""
    y, x = np.mgrid[0:31, 0:41]
    surface = np.cos(2 * np.pi * x / 20) + np.cos(2 * np.pi * y / 15)
    noisy = surface + np.random.default_rng(seed).uniform(-0.05, 0.05, surface.shape)
    assert len(minima(noisy)) > 4
    assert len(minima(noisy, threshold=0.1)) == len(minima(surface, threshold=0.1)) == 4


def test_a_simplified_tree_is_whole():
    """What is left refers to what is left."""
    surface = np.random.default_rng(0).random((20, 20))
    found, few = minima(surface), minima(surface, threshold=0.4)
    assert 1 < len(few) < len(found)
    assert few == [m for m in found if m.persistence > 0.4]


def test_the_caller_s_values_are_not_written_to():
    """Whole numbers will do."""
    surface = np.array([[2, 1], [3, 0]])
    minima(surface)
    assert surface.tolist() == [[2, 1], [3, 0]]
