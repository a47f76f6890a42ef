"""What each sampler is for."""

import numpy as np
import pytest

from explorer.core.points import Points, missing
from explorer.methods.chart import line
from explorer.methods.sample import given, grid
from explorer.stats.barriers import above_line
from tests.contracts.test_sample import CURVES, measured, walk


def test_grid_comes_coarse_to_fine():
    """Ends, middle, quarters: a picture that is stopped early still has its shape."""
    coords = grid.ask(Points(np.empty((0, 1)), np.empty((0, 1, 1)), np.ones(1)), 5, size=9)
    assert coords[:, 0].tolist() == [0.0, 1.0, 0.5, 0.25, 0.75]


def test_grid_of_a_plane_is_refined_without_repeating_the_coarse_one():
    """5² → 9² asks for 81 − 25 new points."""
    coarse = grid.ask(Points(np.empty((0, 2)), np.empty((0, 1, 1)), np.ones(1)), 1000, size=5)
    fine = grid.ask(Points(coarse, np.zeros((25, 1, 1)), np.ones(1)), 1000, size=9)
    assert (len(coarse), len(fine)) == (25, 56)


def test_given_asks_for_what_was_named_once():
    """A point that is there already is not asked for again, up to 12 decimals."""
    done = measured(np.array([[0.3]]), CURVES["flat"])
    assert given.ask(done, 9, at=(0.1 + 0.2, 0.4, 0.4))[:, 0].tolist() == [0.4]


@pytest.mark.parametrize(
    ("curve", "most"),
    [
        (CURVES["barrier"], 20),
        (CURVES["two peaks"], 75),
        (lambda t: np.sqrt(np.abs(t * (1 - t))) * (1 + t), 35),
        (lambda t: t**3 * (1 - t) * 9, 25),
    ],
)
def test_adaptive_finds_the_barrier_of_101_points_with_fewer(curve, most):
    """The height is that of a dense grid to 1 %; one maximum takes a fifth to a third of its points."""
    done, _ = walk("adaptive", curve, 1)
    assert len(done) <= most
    rise, _ = above_line(measured(np.linspace(0, 1, 101)[:, None], curve))
    found, _ = above_line(measured(done, curve).sorted())
    assert found.max() == pytest.approx(rise.max(), rel=0.01)


def test_adaptive_is_frugal_where_nothing_happens():
    """A straight curve needs the coarse look and no more."""
    done, _ = walk("adaptive", CURVES["flat"], 1)
    assert len(done) == 9  # no gap wider than 1/8


def test_adaptive_leaves_no_wide_gap():
    """Nowhere may a spike hide in a gap wider than an eighth."""
    for curve in CURVES.values():
        done, _ = walk("adaptive", curve, 1)
        assert np.diff(np.sort(done[:, 0])).max() <= 0.125 + 1e-12


def test_line_puts_the_corners_at_their_own_coordinates():
    """t = 0 is (1, 0), t = 1 is (0, 1), exactly, and rows sum to 1 everywhere."""
    coefficients = line.place(np.array([[0.0], [1.0], [0.3], [-0.5]]), np.eye(2))
    assert coefficients[:2].tolist() == [[1, 0], [0, 1]]
    assert np.allclose(coefficients.sum(axis=1), 1)


def test_missing_keeps_order_and_drops_repeats():
    """The first of equal rows stays."""
    wanted = np.array([[0.5], [0.1], [0.5], [0.2]])
    assert missing(wanted, np.array([[0.2]]))[:, 0].tolist() == [0.5, 0.1]
