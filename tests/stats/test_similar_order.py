"""The order in which a large matrix shows its groups."""

import numpy as np
import pytest

from explorer.stats.similar_order import similar_order


def test_two_groups_stand_apart():
    """Models of a group, given alternately, are side by side."""
    places = np.array([0.0, 10.0, 0.1, 10.1, 0.2, 10.2])
    order = similar_order(np.abs(np.subtract.outer(places, places)))
    assert {frozenset(order[:3]), frozenset(order[3:])} == {frozenset({0, 2, 4}), frozenset({1, 3, 5})}


def test_where_a_distance_is_not_known_the_order_stays():
    """Nothing is made up; and what is no matrix is refused."""
    assert similar_order(np.full((4, 4), np.nan)) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="square"):
        similar_order(np.zeros((2, 3)))
