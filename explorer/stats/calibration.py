"""Whether a model is right as often as it is sure: reliability by bins, and the expected calibration error. Plain numpy.

Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks": predictions are put into bins of equal width by their confidence, the
largest probability, and

    ECE = Σ_b n_b/n · |accuracy of the bin − mean confidence of the bin|

A bin's accuracy is never exactly its confidence on a finite sample, so the ECE of a perfectly calibrated model is above zero too: what it would be is
found by resampling right and wrong with the model's own confidences (consistency resampling, Bröcker & Smith 2007, "Increasing the Reliability of
Reliability Diagrams"). With γ the true gaps of the bins and e the noise of the measured ones, the triangle inequality and the signs s of γ give

    ECE − ‖e‖ ≤ ‖γ‖        ‖γ‖ = s·γ ≤ ECE + |s·e|

so the interval begins the 97.5 % quantile of ‖e‖ below the measured ECE, found by resampling blocks of samples, and ends where that of s·γ does, with the
measured signs. It held the truth in 94 % and more of trials (benchmarks/coverage.py). A difference of two on the same samples: the paired error of the signed
sums, and on either side by how much noise alone lifts that ECE on average. A bin's accuracy has Wilson's interval, and none where samples depend on each
other (tokens of one text): there it is too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from explorer.core.points import Array
from explorer.stats.intervals import Estimate, mean

BINS = 15
CHANCE_DRAWS = 400
DRAWS = 2000
Z = 1.959964


@dataclass(frozen=True, eq=False)
class Reliability:
    """Of each bin: how many predictions, their mean confidence and accuracy (NaN where there are none) with its 95 % interval.

    chance: the mean ECE that a calibrated model with these confidences would show, and the value that it stays below in 95 of 100 samples.
    """

    count: Array
    confidence: Array
    accuracy: Array
    low: Array
    high: Array
    ece: Estimate
    chance: tuple[float, float]

    @property
    def over(self) -> float:
        """Mean confidence − accuracy over all: above zero for a model that is too sure."""
        known = self.count > 0
        return float((self.count * (self.confidence - self.accuracy))[known].sum() / self.count.sum())


def reliability(confidence: Array, right: NDArray[np.bool_], block: NDArray[np.integer], *, bins: int = BINS, seed: int = 0) -> Reliability:
    """(n,) confidences from 0 to 1, whether each prediction was right, and its block of samples."""
    place = _place(confidence, bins)
    blocks = int(block.max()) + 1
    count = np.bincount(place, minlength=bins).astype(np.float64)

    def mean_of(values: Array) -> Array:
        return np.bincount(place, weights=values, minlength=bins) / count

    with np.errstate(invalid="ignore", divide="ignore"):
        share, mean = mean_of(right.astype(np.float64)), mean_of(confidence)
        centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
        half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    found = error(gaps(confidence, right, block, blocks, bins=bins), np.bincount(block, minlength=blocks).astype(np.float64))
    return Reliability(count, mean, share, centre - half, centre + half, found, _by_chance(confidence, place, bins, seed))


def gaps(confidence: Array, right: NDArray[np.bool_], block: NDArray[np.integer], blocks: int, *, bins: int = BINS) -> Array:
    """(bins, blocks) sums of confidence − right: what the ECE is made of, with the blocks apart. A confidence that is NaN makes its block's first sum NaN."""
    cell = _place(confidence, bins) * blocks + block
    return np.bincount(cell, weights=confidence - right, minlength=bins * blocks).reshape(bins, blocks).astype(np.float64)


def error(gaps: Array, counts: Array) -> Estimate:
    """ECE with its 95 % interval. gaps: (bins, blocks); counts: (blocks,) samples."""
    value, signed, noise = _ece(gaps, counts)
    above = mean(signed, counts, counted=True)
    return Estimate(value, max(value - float(np.quantile(np.abs(noise).sum(axis=1), 0.975)), 0.0), above.high)


def difference(a: Array, b: Array, counts: Array) -> Estimate:
    """ECE of the gaps a less that of b, on the same samples, with its paired 95 % interval."""
    ends = [_ece(gaps, counts) for gaps in (a, b)]
    along = [noise @ np.sign(gaps.sum(axis=1)) for gaps, (_, _, noise) in zip((a, b), ends, strict=True)]
    lifted = [float((np.abs(noise).sum(axis=1) - np.abs(line)).mean()) for line, (_, _, noise) in zip(along, ends, strict=True)]
    value, half = ends[0][0] - ends[1][0], float(np.quantile(np.abs(along[0] - along[1]), 0.975))
    return Estimate(value, value - half - lifted[0], value + half + lifted[1])


def _ece(gaps: Array, counts: Array) -> tuple[float, Array, Array]:
    """The ECE; (blocks,) what it is the sum of, with the measured signs; (DRAWS, bins) noise of the gaps, by resampling blocks."""
    total = gaps.sum(axis=1)
    draws = _resampled(len(counts))
    noise = (draws @ gaps.T) / (draws @ counts)[:, None] - total / counts.sum()
    return float(np.abs(total).sum() / counts.sum()), np.sign(total) @ gaps, noise


@lru_cache(maxsize=8)
def _resampled(blocks: int) -> Array:
    """(DRAWS, blocks) how often each block is drawn; the same for every model, which pairs them."""
    return np.random.default_rng(20230915).multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS).astype(np.float64)


def _place(confidence: Array, bins: int) -> NDArray[np.integer]:
    return np.clip((np.nan_to_num(confidence) * bins).astype(int), 0, bins - 1)


def _by_chance(confidence: Array, place: NDArray[np.integer], bins: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    drawn = np.empty(CHANCE_DRAWS)
    for i in range(CHANCE_DRAWS):
        gap = confidence - (rng.random(len(confidence)) < confidence)
        drawn[i] = np.abs(np.bincount(place, weights=gap, minlength=bins)).sum() / len(confidence)
    return float(drawn.mean()), float(np.quantile(drawn, 0.95))
