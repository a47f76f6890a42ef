"""What pairs of training seeds say of the training: the mean barrier of two models that it gives, and how sure that is over seeds as well as over samples.

The interval of one barrier speaks of those two models. That of the mean over all pairs of k models speaks of the training, if the models differ by nothing but
their seeds: the mean over pairs is a U-statistic, and its interval over models that of the mean of the jackknife's pseudo-values, each model left out with all
its pairs (Arvesen 1969, "Jackknifing U-Statistics"). The error over samples, which all pairs share, is added as the other side of a right angle.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.stats.intervals import Estimate, mean

LEAST = 3  # models: of two there is one pair, and nothing to compare it with


def mean_over_pairs(heights: Mapping[tuple[int, int], Estimate], models: int) -> Estimate | None:
    """The mean barrier over all pairs of models 0 … n−1, with its 95 % interval over seeds and samples; None while a pair is missing, or of fewer than three."""
    pairs = [(i, j) for i in range(models) for j in range(i + 1, models)]
    if models < LEAST or any(p not in heights or not np.isfinite(heights[p].value) for p in pairs):
        return None
    values = np.array([heights[p].value for p in pairs])
    ends = np.array(pairs)
    value = float(values.mean())
    without = np.array([values[(ends != k).all(axis=1)].mean() for k in range(models)])
    seeds = mean(models * value - (models - 1) * without, np.ones(models))
    below = float(np.hypot(value - seeds.low, np.mean([heights[p].value - heights[p].low for p in pairs])))
    above = float(np.hypot(seeds.high - value, np.mean([heights[p].high - heights[p].value for p in pairs])))
    return Estimate(value, max(value - below, 0.0), value + above)
