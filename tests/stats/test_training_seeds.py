"""The mean barrier of two models of a training: an interval that holds over seeds."""

import numpy as np
import pytest

from explorer.stats.intervals import Estimate
from explorer.stats.training_seeds import mean_over_pairs


def heights(each, half=0.0):
    """Every pair's barrier, with an interval of that half-width."""
    k = len(each)
    return {(i, j): Estimate(h := float(each[i] + each[j]), h - half, h + half) for i in range(k) for j in range(i + 1, k)}


@pytest.mark.parametrize("models", [3, 5, 10])
def test_the_interval_holds_the_mean_of_the_training(models):
    """Each model adds its share to the barriers of all its pairs; the interval of a single pair knows nothing of that."""
    rng = np.random.default_rng(models)
    found = [mean_over_pairs(heights(0.5 + 0.1 * rng.normal(size=models)), models) for _ in range(400)]
    assert np.mean([e.low <= 1 <= e.high for e in found]) >= 0.93


def test_the_error_over_samples_comes_on_top():
    """Three and four, at a right angle; and it is all there is where all models are alike."""
    alike = mean_over_pairs(heights(np.ones(4), 0.25), 4)
    assert (alike.value, alike.low, alike.high) == pytest.approx((2, 1.75, 2.25))
    each = np.array([0.9, 1.0, 1.1, 1.0])
    seeds, both = mean_over_pairs(heights(each), 4), mean_over_pairs(heights(each, 0.4), 4)
    assert both.high - 2 == pytest.approx(np.hypot(seeds.high - 2, 0.4))


def test_nothing_is_said_of_two_models_or_of_missing_pairs():
    """There is nothing to compare one pair with."""
    assert mean_over_pairs(heights(np.ones(2)), 2) is None
    assert mean_over_pairs({p: h for p, h in heights(np.ones(4)).items() if p != (1, 2)}, 4) is None
