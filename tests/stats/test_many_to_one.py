"""Many models against one: intervals that hold all at once."""

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.stats.barriers import difference
from explorer.stats.many_to_one import many_to_one

BLOCKS = 64


def point(sums):
    return Points(np.ones((1, 1)), np.asarray(sums, dtype=float)[None, None], np.ones(BLOCKS))


def test_of_forty_equal_models_none_looks_worse_in_most_samples():
    """The whole family is right in about 95 % of 80 worlds; intervals for each alone are in hardly any."""
    rng = np.random.default_rng(0)
    together = alone = 0
    for _ in range(80):
        worlds = [point(rng.normal(size=BLOCKS)) for _ in range(40)]
        found = many_to_one(worlds[1:], worlds[0])
        together += all(e.low <= 0 <= e.high for e in found)
        alone += all((e := difference(w, worlds[0])).low <= 0 <= e.high for w in worlds[1:])
    assert together / 80 > 0.9
    assert alone / 80 < 0.6


def test_the_reference_is_none_apart_from_itself_and_widens_nothing():
    """Two models with it and without it have the same intervals; a model that diverged has none."""
    rng = np.random.default_rng(1)
    a, b, reference = (point(rng.normal(size=BLOCKS)) for _ in range(3))
    broken = point(np.full(BLOCKS, np.nan))
    with_it = many_to_one([reference, a, b, broken], reference)
    assert (with_it[0].value, with_it[0].low, with_it[0].high) == (0, 0, 0)
    for one, other in zip(with_it[1:3], many_to_one([a, b], reference), strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
    assert np.isnan(with_it[3].low)


def test_one_model_has_the_usual_paired_interval():
    """Nothing is corrected where nothing else is compared."""
    rng = np.random.default_rng(2)
    a, reference = point(rng.normal(size=BLOCKS)), point(rng.normal(size=BLOCKS))
    (found,) = many_to_one([a], reference)
    assert (found.low, found.high) == pytest.approx((difference(a, reference).low, difference(a, reference).high), rel=0.05)
