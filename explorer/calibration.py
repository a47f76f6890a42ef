"""Expected calibration error with a paired interval: how far a classifier's confidence is from how often it is right. Plain numpy.

Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks" (ICML), with bins of equal width:

    ECE = Σ over bins |Σ over its samples (confidence − right)| / n

From `gaps`, (bins, blocks): those inner sums apart for each block of samples, so that blocks can be drawn anew. It is a sum of absolute values, so it is
biased upwards, the more the fewer samples there are; a difference of two on the same samples much less.
"""

from __future__ import annotations

import numpy as np

from explorer.points import Array
from explorer.statistics import Estimate, block_draws

BINS = 15


def calibration(gaps: Array, counts: Array) -> Estimate:
    """ECE with its 95 % interval. counts: (blocks,) samples."""
    return _estimate(_ece(gaps, counts, None), _ece(gaps, counts, block_draws(len(counts))))


def difference(a: Array, b: Array, counts: Array) -> Estimate:
    """ECE of a less that of b, with its paired interval."""
    draws = block_draws(len(counts))
    return _estimate(_ece(a, counts, None) - _ece(b, counts, None), _ece(a, counts, draws) - _ece(b, counts, draws))


def _ece(gaps: Array, counts: Array, draws: Array | None) -> Array:
    draws = np.ones((1, len(counts))) if draws is None else draws
    return np.abs(draws @ gaps.T).sum(axis=1) / (draws @ counts)


def _estimate(value: Array, draws: Array) -> Estimate:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(value[0]), float(low), float(high))
