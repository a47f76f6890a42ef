"""The low-discrepancy sequence."""

import numpy as np

from explorer.core.points import no_points
from explorer.methods.sample.sobol import ask


def test_every_half_of_every_axis_holds_half_of_the_points():
    """And a longer sequence begins with the shorter one; another seed gives others."""
    found = ask(no_points(5), 64, count=64)
    assert found.shape == (64, 5)
    assert ((found < 0.5).sum(axis=0) == 32).all()
    for k in range(8):
        assert (((found * 8).astype(int) == k).sum(axis=0) == 8).all()
    assert np.array_equal(ask(no_points(5), 100, count=100)[:64], found)
    assert not np.array_equal(ask(no_points(5), 64, count=64, seed=1), found)
