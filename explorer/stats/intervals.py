"""How sure a number is: 95 % intervals of means over samples, and of the largest of several such means. Plain numpy and scipy.

Everything that is measured is kept as sums over fixed blocks of samples, the same for every point, so that two points are compared *paired*, block by
block. For two nearby models this cuts the variance of the difference by orders of magnitude.

A mean. Student's t of a mean is wrong where few samples carry the sum: its interval ends too low. Two corrections, both in closed form:

- the quantile is bent by the skewness of the blocks: the inverse of the cubic transformation of Hall 1992, "On the Removal of Skewness by Transformation";
- the variance counts what may have been missed. Of a measured quantity, the block that is farthest from the mean counts once more. Of a count (an error: every
  sample is 0 or 1) a sample's size is known, and z² = 3.84 samples are added, as Wilson's and Agresti & Coull's intervals do: a count of zero then has the upper
  end 3.84/n, where the exact one is 3.69/n, and no interval is ever a point. The share of wrong answers itself has the exact interval (`share`).

The largest of K means (a barrier, the top of a plane). The largest of noisy numbers is too high on average, the more numbers the more. So Chernozhukov, Lee & Rosen
2013, "Intersection Bounds: Estimation and Inference", for a maximum in place of a minimum: each mean is lowered by k standard errors before the maximum is
taken, where k is a quantile of the largest standardised error among the points that may be the maximum, found by simulation with the points' own correlations:

    low        max_t [m(t) − k(0.975) s(t)]    above the true maximum in at most 2.5 %
    high       max_t [m(t) + z(0.975) s(t)]    the true maximum is at one place, and there one interval is enough
    estimate   max_t [m(t) − k(½) s(t)]        about as often too low as too high

For the estimate only places count that the paired difference from the highest does not set apart (one standard error): with all that low's generous choice keeps,
as in the paper, a high peak of few samples is estimated too low (1.06 nat of 100 samples by 0.10; so, by less than 0.01).

All of this speaks of the choice of evaluation samples, not of the training seeds. An event so rare that none of n samples shows it (below 3.7/n) is known to
nobody: of a count the interval has it, of a loss it cannot, since nothing says how much such a sample would lose. What is measured is in docs/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from explorer.core import significant_digits
from explorer.core.points import Array
from explorer.core.pretty import in_words

LEVEL = 0.975  # on either side
Z = 1.959964
DRAWS = 2000
NEAR = 1.0  # standard errors of the difference from the highest
FLAT = 1e-9  # a skewness as good as none


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN at an end that cannot be had."""

    value: float
    low: float
    high: float

    _repr_pretty_ = in_words

    def __str__(self) -> str:
        return self.formatted()

    def formatted(self, *, scale: float = 1.0, unit: str = "", signed: bool = False) -> str:
        """As it is shown: with the digits that the interval supports."""
        return significant_digits.within(scale * self.value, scale * self.low, scale * self.high, unit=unit, signed=signed)

    def parts(self, *, scale: float = 1.0) -> tuple[str, str, str]:
        """The same in three: the number, and the ends of its interval."""
        return significant_digits.formatted(scale * self.value, scale * self.low, scale * self.high)


@dataclass(frozen=True, eq=False)
class Means:
    """Means over samples of I quantities that saw the same samples. sums: (I, B) over blocks of samples; counts: (B,) items in each.

    counted: no sample of a quantity is farther from another than 1, as of errors and their differences.
    """

    sums: Array
    counts: Array
    counted: bool = False

    @cached_property
    def value(self) -> Array:
        """(I,) the means."""
        return self.sums.sum(axis=1) / self.counts.sum()

    @cached_property
    def residual(self) -> Array:
        """(I, B) what each block's sum is above its share of the mean."""
        return self.sums - self.value[:, None] * self.counts

    @cached_property
    def variance(self) -> Array:
        """(I,) of the sums over all blocks, as the blocks show it; NaN for one block."""
        b = len(self.counts)
        return (self.residual**2).sum(axis=1) * b / (b - 1) if b > 1 else np.full(len(self.sums), np.nan)

    @cached_property
    def error(self) -> Array:
        """(I,) standard error of the means, as the blocks show it."""
        return np.sqrt(self.variance) / self.counts.sum()

    @cached_property
    def missed(self) -> Array:
        """(I,) variance of the sums that may have been missed."""
        return np.full(len(self.sums), Z**2) if self.counted else np.abs(self.residual).max(axis=1, initial=0.0) ** 2

    @cached_property
    def skewness(self) -> Array:
        """(I,) of the means' errors."""
        spread = (self.residual**2).sum(axis=1) + (self.missed if self.counted else 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.nan_to_num((self.residual**3).sum(axis=1) / spread**1.5)

    def low(self, quantile: float = Z) -> Array:
        """(I,) lower ends, `quantile` bent standard errors below the means."""
        return self._end(quantile)

    def high(self, quantile: float = Z) -> Array:
        """(I,) upper ends."""
        return self._end(-quantile)

    def estimates(self) -> list[Estimate]:
        """Each mean with its interval."""
        return [Estimate(float(v), float(a), float(b)) for v, a, b in zip(self.value, self.low(), self.high(), strict=True)]

    def _end(self, quantile: float) -> Array:
        t = quantile * _heavier(len(self.counts))
        skew = np.where(np.abs(self.skewness) < FLAT, FLAT, self.skewness)
        bent = 3 / skew * (np.cbrt(1 + skew * (t - skew / 6)) - 1)
        return self.value - bent * np.sqrt(self.variance + self.missed) / self.counts.sum()


def mean(sums: Array, counts: Array, *, counted: bool = False) -> Estimate:
    """The mean of one quantity, (B,) sums over blocks."""
    return Means(sums[None], counts, counted).estimates()[0]


def share(wrong: Array, counts: Array) -> tuple[Array, Array]:
    """Exact 95 % interval of shares of samples: (K, B) counts over blocks → (K,), (K,).

    Clopper & Pearson 1934, with fewer samples where those of a block are alike, as tokens of one text: Korn & Graubard 1998, "Confidence Intervals for
    Proportions with Small Expected Number of Positive Counts Estimated from Survey Data".
    """
    found, n = Means(wrong, counts), counts.sum()
    p = found.value
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = np.where((p > 0) & (p < 1) & (found.error > 0), np.minimum(p * (1 - p) / found.error**2, n), n)
    k = p * effective
    low = np.where(k > 0, special.betaincinv(np.maximum(k, 1e-12), effective - k + 1, 1 - LEVEL), 0.0)
    high = np.where(k < effective, special.betaincinv(k + 1, np.maximum(effective - k, 1e-12), LEVEL), 1.0)
    return np.where(np.isfinite(p), low, np.nan), np.where(np.isfinite(p), high, np.nan)


def are_counts(values: Array) -> bool:
    """Whether sums over blocks are of samples that are 0 or 1 each: whole numbers throughout."""
    known = values[np.isfinite(values)]
    return bool(known.size) and bool((known == np.round(known)).all())


def levels(sums: Array, counts: Array) -> tuple[Array, Array]:
    """(K, B) sums of a metric itself → ends (K,), (K,) of the 95 % interval of each mean. A metric that cannot be below zero has no end there."""
    if are_counts(sums) and ((sums >= 0) & (sums <= counts) | np.isnan(sums)).all():
        return share(sums, counts)
    found = Means(sums, counts)
    low = found.low()
    return np.where((sums >= 0).all(axis=1), np.maximum(low, 0.0), low), found.high()


@dataclass(frozen=True)
class Largest:
    """The largest of several means: its estimate, and what its interval is made of. at: the place of the highest measured mean.

    quantile, error: `estimate.low` is that many standard errors below the mean, of the size that it has at the place that the interval depends on most.
    """

    estimate: Estimate
    at: int
    highest: float
    quantile: float
    error: float


def largest(found: Means, floor: float = -np.inf) -> Largest:
    """The largest of the true means, with its interval. Means that are not finite are left out. floor: what it is known not to be below."""
    where = np.flatnonzero(np.isfinite(found.value))
    if not len(where):
        nothing = float("nan")
        return Largest(Estimate(nothing, nothing, nothing), 0, nothing, nothing, nothing)
    found = Means(found.sums[where], found.counts, found.counted)
    i = int(np.argmax(found.value))
    if len(found.counts) < 2:  # nothing is known of how samples differ
        highest, unknown = float(found.value[i]), float("nan")
        return Largest(Estimate(max(highest, floor), unknown, unknown), int(where[i]), highest, unknown, unknown)
    errors = _standardised(found)
    quantile = max(float(np.quantile(errors[_may_be_largest(found, errors)].max(axis=0), LEVEL)), Z)
    low, high = found.low(quantile), found.high()
    ahead = Means(found.sums[i] - found.sums, found.counts)
    level = np.nonzero(ahead.value <= NEAR * np.nan_to_num(ahead.error))[0]
    half = max(float(np.quantile(errors[level].max(axis=0), 0.5)), 0.0)
    value = float((found.value - half * np.nan_to_num(found.error))[level].max())
    value = min(max(value, float(low.max())), float(high.max()))
    top = int(np.argmax(high))
    error = float(np.sqrt(found.variance + found.missed)[top] / found.counts.sum())
    return Largest(
        Estimate(max(value, floor), max(float(low.max()), floor), max(float(high.max()), floor)),
        int(where[i]),
        float(found.value[i]),
        quantile,
        error,
    )


def apart(a: Means, b: Means) -> Estimate:
    """The largest of a's true means less the largest of b's, paired: both saw the same samples in the same blocks.

    max_i a_i − max_j b_j lies above min_j [a_i − b_j] for every i: low = max_i min_j of the lower ends of a_i − b_j, each simultaneous over i; high likewise.
    """
    if len(a.counts) < 2:
        return Estimate(largest(a).estimate.value - largest(b).estimate.value, float("nan"), float("nan"))
    both = [Means(m.sums[np.isfinite(m.value)], m.counts, m.counted) for m in (a, b)]
    quantiles = [max(float(np.quantile(_standardised(m).max(axis=0), LEVEL)), Z) for m in both]
    ends = [np.empty((len(both[0].sums), len(both[1].sums))) for _ in (0, 1)]
    for i, row in enumerate(both[0].sums):
        difference = Means(row - both[1].sums, a.counts, a.counted)
        ends[0][i], ends[1][i] = difference.low(quantiles[0]), difference.high(quantiles[1])
    low, high = float(ends[0].min(axis=1).max()), float(ends[1].max(axis=0).min())
    value = largest(both[0]).estimate.value - largest(both[1]).estimate.value
    return Estimate(value, min(low, value), max(high, value))


def simultaneous(found: Means) -> float:
    """The quantile that every one of the means' two-sided intervals needs so that all of them hold at once in 95 %."""
    return max(float(np.quantile(np.abs(_standardised(found)).max(axis=0), 2 * LEVEL - 1)), Z)


def _may_be_largest(found: Means, errors: Array) -> NDArray[np.bool_]:
    """(I,) those whose mean could be the largest: chosen so generously that the right one is lost in a share 0.1 / ln n of cases."""
    n = max(float(found.counts.sum()), 3.0)
    wide = max(float(np.quantile(errors.max(axis=0), 1 - 0.1 / np.log(n))), Z)
    return found.high(2 * wide) >= found.low(wide).max()


def _standardised(found: Means) -> Array:
    """(I, DRAWS) errors of the means in units of their standard error, correlated as the blocks are; 0 where nothing varies."""
    size = np.sqrt((found.residual**2).sum(axis=1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        each = np.nan_to_num(found.residual / size)
    return each @ _gaussian(len(found.counts))


@lru_cache(maxsize=8)
def _gaussian(blocks: int) -> Array:
    """(blocks, DRAWS) standard normal numbers, the same for every quantity, which is what correlates them; each with its negative."""
    half = np.random.default_rng(20230915).standard_normal((blocks, DRAWS // 2))
    drawn = np.concatenate([half, -half], axis=1)
    drawn.setflags(write=False)
    return drawn


@lru_cache(maxsize=64)
def _heavier(blocks: int) -> float:
    """How much farther out Student's t lies than the normal distribution."""
    return float(special.stdtrit(blocks - 1, LEVEL)) / Z if blocks > 1 else float("nan")
