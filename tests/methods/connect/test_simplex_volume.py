"""The volume of simplices that are known, and its growth against finite differences."""

from itertools import combinations
from math import factorial, sqrt

import numpy as np
import pytest

from explorer.core.errors import Refused
from explorer.methods.connect._simplex_volume import growth, volume


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_unit_right_simplex_has_volume_one_over_k_factorial(k):
    """Wherever it stands."""
    corners = np.concatenate([np.zeros((1, k)), np.eye(k)]) + np.arange(k)
    assert volume(corners @ corners.T) == pytest.approx(1 / factorial(k))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_regular_simplex_has_its_known_volume(k):
    """√(k + 1) / k! · (side / √2)ᵏ; with the unit vectors as corners the side is √2."""
    assert volume(np.eye(k + 1)) == pytest.approx(sqrt(k + 1) / factorial(k))


def test_a_triangle_agrees_with_heron():
    """In many dimensions the area follows from the three sides alone."""
    corners = np.random.default_rng(0).normal(size=(3, 50))
    a, b, c = (float(np.linalg.norm(p - q)) for p, q in combinations(corners, 2))
    s = (a + b + c) / 2
    assert volume(corners @ corners.T) == pytest.approx(sqrt(s * (s - a) * (s - b) * (s - c)))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_growth_is_that_of_finite_differences(k):
    """For every corner, the first included, and every direction."""
    corners = np.random.default_rng(k).normal(size=(k + 1, 4))
    found = growth(corners @ corners.T) @ corners
    h = 1e-6
    for i in range(k + 1):
        for d in range(4):
            step = np.zeros_like(corners)
            step[i, d] = h
            up, down = (np.log(volume(c @ c.T)) for c in (corners + step, corners - step))
            assert found[i, d] == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-8)


def test_a_corner_is_driven_straight_away_from_the_opposite_side():
    """By one over its height: 1/h along the normal."""
    corners = np.array([[0.0, 0.0], [0.3, 0.25], [1.0, 0.0]])
    assert (growth(corners @ corners.T) @ corners)[1] == pytest.approx([0.0, 4.0], abs=1e-12)


@pytest.mark.parametrize("third", [[2.0, 2.0], [1.0, 1.0], [0.0, 0.0]])
def test_corners_on_a_line_have_no_volume_and_no_growth(third):
    """The area is 0, and its logarithm is refused."""
    corners = np.array([[0.0, 0.0], [1.0, 1.0], third])
    gram = corners @ corners.T
    assert volume(gram) == 0
    with pytest.raises(Refused, match="span no simplex"):
        growth(gram)
