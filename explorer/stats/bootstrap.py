"""How sure a number is: paired bootstrap over the fixed blocks of samples. Plain numpy.

Every point of a field saw the same samples in the same blocks, so a difference between two points is resampled *paired*:
draw blocks with replacement, the same draw for every point. For two nearby models this cuts the variance of the
difference by orders of magnitude, and it is the only way to tell a barrier of 0.005 nat from none.

The interval speaks of the choice of evaluation samples. It does not reflect the choice of training seeds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from explorer.core import significant_digits
from explorer.core.points import Array, Points

RESAMPLES = 2000
REMEMBERED = 4096  # barriers; each is a few numbers


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def formatted(self, *, scale: float = 1.0, unit: str = "", signed: bool = False) -> str:
        """As it is shown: with the digits that the interval supports."""
        return significant_digits.within(scale * self.value, scale * self.low, scale * self.high, unit=unit, signed=signed)

    def parts(self, *, scale: float = 1.0) -> tuple[str, str, str]:
        """The same in three: the number, and the ends of its interval."""
        return significant_digits.formatted(scale * self.value, scale * self.low, scale * self.high)


@dataclass(frozen=True)
class Barrier:
    """How far a metric rises above the straight line between the ends of a path, and how sure that is.

    height: max_t [L(t) − (1−t) L(0) − t L(1)] over the measured points, ≥ 0 because both ends are among them
    (Frankle et al. 2020; Entezari et al. 2022). interval: 2.5 % and 97.5 % quantiles of the bootstrap in which the
    arg-max is taken again in each draw; as the height cannot be negative, read its upper end as a bound.
    split_half: the rise at the t chosen on one half of the blocks, measured on the other half: two-sided, free of the
    optimism of picking a maximum, and it can be negative. others: further definitions in use, by name.
    """

    metric: str
    height: Estimate
    at: float
    split_half: Estimate
    upper: float  # one-sided 95 % bound of the height
    ends: tuple[float, float]
    peak: float  # the metric itself at `at`
    others: tuple[tuple[str, Estimate], ...]
    points: int
    samples: int
    diverged: int  # points whose metric is not finite; they are left out of the maximum and make the height a lower bound


_barriers: dict[bytes, Barrier | None] = {}  # by all that decides one


def above_line(points: Points, metric: int = 0) -> tuple[Array, Array]:
    """L(t) − (1−t) L(0) − t L(1) at each point, and its standard error over blocks. Points must be sorted and hold both ends. (K,), (K,)."""
    rise = _rise(points, metric)
    total = points.counts.sum()
    mean = rise.sum(axis=1) / total
    residual = rise - mean[:, None] * points.counts
    b = rise.shape[1]
    return mean, np.sqrt((residual**2).sum(axis=1) * b / max(b - 1, 1)) / total


def band(points: Points, metric: int = 0) -> tuple[Array, Array]:
    """Pointwise 95 % interval of a metric's mean at each point: (K,), (K,)."""
    draws = block_draws(len(points.counts))
    means = (points.values[:, metric] @ draws.T) / (draws @ points.counts)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return low, high


def level(point: Points, metric: int = 0) -> Estimate:
    """A metric's mean at a single point, with its interval."""
    (low,), (high,) = band(point, metric)
    return Estimate(float(point.means()[0, metric]), float(low), float(high))


def barrier(points: Points, metric: int = 0, *, name: str = "loss") -> Barrier | None:
    """The barrier of a path whose points include t = 0 and t = 1 with finite values; None while an end is missing.

    It is bootstrapped once for the same points: a page draws one line in several places, and looks again every half second.
    """
    formatted = (points.coords, points.values[:, metric], points.counts)
    text = [name.encode(), *(part for a in formatted for part in (f"{a.shape} {a.dtype}".encode(), np.ascontiguousarray(a).tobytes()))]
    key = hashlib.blake2b(b"\0".join(text), digest_size=16).digest()
    if key in _barriers:
        return _barriers[key]
    if len(_barriers) >= REMEMBERED:
        _barriers.clear()
    _barriers[key] = found = _bootstrapped(points, metric, name)
    return found


def _bootstrapped(points: Points, metric: int, name: str) -> Barrier | None:
    known = points.sorted()
    t = known.coords[:, 0]
    known = Points(known.coords[(t >= 0) & (t <= 1)], known.values[(t >= 0) & (t <= 1)], known.counts)
    t = known.coords[:, 0]
    if len(t) < 2 or t[0] != 0.0 or t[-1] != 1.0 or not np.isfinite(known.values[[0, -1], metric]).all():
        return None
    finite = np.isfinite(known.values[:, metric]).all(axis=1)
    diverged = int((~finite).sum())
    kept = Points(known.coords[finite], known.values[finite], known.counts)
    t, rise, total = kept.coords[:, 0], _rise(kept, metric), kept.counts.sum()
    mean = rise.sum(axis=1) / total
    level = kept.means()[:, metric]
    i = int(np.argmax(mean))

    draws = block_draws(len(kept.counts))
    weight = draws @ kept.counts
    resampled_rise = (rise @ draws.T) / weight
    resampled = (kept.values[:, metric] @ draws.T) / weight
    heights = resampled_rise.max(axis=0)

    def estimate(value: float, draw: Array) -> Estimate:
        low, high = np.quantile(draw, [0.025, 0.975])
        return Estimate(float(value), float(low), float(high))

    def others() -> tuple[tuple[str, Estimate], ...]:
        highest, draw = level.max(), resampled.max(axis=0)
        ends, end_draws = level[[0, -1]], resampled[[0, -1]]
        listed = [
            ("max L(t) − mean of the ends", estimate(highest - ends.mean(), draw - end_draws.mean(axis=0))),
            ("max L(t) − worse end", estimate(highest - ends.max(), draw - end_draws.max(axis=0))),
        ]
        if (middle := np.flatnonzero(t == 0.5)).size:
            m = int(middle[0])
            listed.append(("L(½) − mean of the ends", estimate(mean[m], resampled_rise[m])))
        return tuple(listed)

    return Barrier(
        metric=name,
        height=estimate(mean[i], heights),
        at=float(t[i]),
        split_half=_split_half(rise, kept.counts),
        upper=float(np.quantile(heights, 0.95)),
        ends=(float(level[0]), float(level[-1])),
        peak=float(level[i]),
        others=others(),
        points=len(t),
        samples=int(total),
        diverged=diverged,
    )


def difference(a: Points, b: Points, metric: int = 0) -> Estimate:
    """Paired interval of mean(a) − mean(b) for one point each of the same split, samples and blocks."""
    draws = block_draws(len(a.counts))
    delta = a.values[0, metric] - b.values[0, metric]
    low, high = np.quantile((draws @ delta) / (draws @ a.counts), [0.025, 0.975])
    return Estimate(float(delta.sum() / a.counts.sum()), float(low), float(high))


def highest(points: Points, metric: int = 0) -> Estimate:
    """The largest mean of a metric over all points whose metric is finite; the interval finds the largest again in every draw."""
    finite = np.isfinite(points.values[:, metric]).all(axis=1)
    value = points.values[finite, metric]
    draws = block_draws(len(points.counts))
    low, high = np.quantile(((value @ draws.T) / (draws @ points.counts)).max(axis=0), [0.025, 0.975])
    return Estimate(float((value.sum(axis=1) / points.counts.sum()).max()), float(low), float(high))


def path_mean(points: Points, length: Array, metric: int = 0) -> Estimate:
    """The mean of a metric along a path, every piece by its length: trapezoids between measured points. length: (K,) at each point, in any order."""
    order = np.argsort(length, kind="stable")
    s, value = length[order], points.values[order, metric]
    weight = np.zeros(len(s))
    weight[:-1] += np.diff(s) / 2
    weight[1:] += np.diff(s) / 2
    weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(s), 1 / len(s))
    blocks = weight @ value
    draws = block_draws(len(points.counts))
    low, high = np.quantile((draws @ blocks) / (draws @ points.counts), [0.025, 0.975])
    return Estimate(float(blocks.sum() / points.counts.sum()), float(low), float(high))


def reduction(before: Points, after: Points, metric: int = 0) -> Estimate | None:
    """How much lower the barrier of one path is than that of another, with its paired interval; None while a barrier is missing.

    Both paths were measured on the same samples in the same blocks; each draw takes both maxima again.
    """
    drawn = [_heights(p.sorted(), metric) for p in (before, after)]
    if drawn[0] is None or drawn[1] is None:
        return None
    (height, draws), (height_after, draws_after) = drawn[0], drawn[1]
    low, high = np.quantile(draws - draws_after, [0.025, 0.975])
    return Estimate(height - height_after, float(low), float(high))


def _heights(points: Points, metric: int) -> tuple[float, Array] | None:
    found = barrier(points, metric)
    if found is None:
        return None
    t = points.coords[:, 0]
    kept = (t >= 0) & (t <= 1) & np.isfinite(points.values[:, metric]).all(axis=1)
    rise = _rise(Points(points.coords[kept], points.values[kept], points.counts), metric)
    draws = block_draws(len(points.counts))
    return found.height.value, ((rise @ draws.T) / (draws @ points.counts)).max(axis=0)


def _rise(points: Points, metric: int) -> Array:
    """(K, B) block sums of the height above the straight line between the first and the last point."""
    t, value = points.coords[:, :1], points.values[:, metric]
    return value - ((1 - t) * value[:1] + t * value[-1:])


def _split_half(rise: Array, counts: Array) -> Estimate:
    """Choose t on the even blocks, measure on the odd ones, and the other way round; average the two."""
    halves = [np.arange(start, len(counts), 2) for start in (0, 1)]
    if not halves[1].size:
        return Estimate(float("nan"), float("nan"), float("nan"))
    values: list[float] = []
    draws: list[Array] = []
    for choose, judge in (halves, halves[::-1]):
        i = int(np.argmax(rise[:, choose].sum(axis=1)))
        values.append(float(rise[i, judge].sum() / counts[judge].sum()))
        weights = block_draws(len(judge))
        draws.append((weights @ rise[i, judge]) / (weights @ counts[judge]))
    # Each half's estimate has its own sampling error; their mean errs like one estimate on all the samples.
    rng = np.random.default_rng(0)
    mixed = (draws[0] + rng.permutation(draws[1])) / 2
    low, high = np.quantile(mixed, [0.025, 0.975])
    return Estimate(sum(values) / 2, float(low), float(high))


@lru_cache(maxsize=8)
def block_draws(blocks: int) -> Array:
    """(RESAMPLES, blocks) multinomial weights; the same for every point, which is what pairs them."""
    rng = np.random.default_rng(20230915)
    draws = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=RESAMPLES).astype(np.float64)
    draws.setflags(write=False)
    return draws
