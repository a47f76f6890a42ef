"""How far a metric rises above the straight line between the ends of a path, how sure that is, and what it is to be called. Plain numpy.

Intervals are those of explorer.stats.intervals: of the largest of all points, which no choice of its place biases. They hold for the measured points, and
speak of the choice of evaluation samples, not of training seeds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Literal

import numpy as np

from explorer.core.points import Array, Points
from explorer.core.pretty import in_words
from explorer.core.significant_digits import number
from explorer.stats.intervals import Estimate, Means, Z, apart, are_counts, largest, levels, mean

REMEMBERED = 4096  # barriers; each is a few numbers
POWER = 0.841621  # the normal quantile of 80 %


@dataclass(frozen=True)
class Barrier:
    """How far a metric rises above the straight line between the ends of a path, and how sure that is.

    height: max_t [L(t) − (1−t) L(0) − t L(1)] over the measured points, ≥ 0 because both ends are among them (Frankle et al. 2020; Entezari et al. 2022): an
    estimate that the choice of its place does not bias, and a 95 % interval for the maximum (explorer.stats.intervals.largest). at: where the highest
    measured value is; measured: that value, which is too high on average; peak: the metric itself there. others: further definitions in use, by name.
    diverged: points whose metric is not finite; they are left out and make the height a lower bound. quantile, error: what `height.low` is made of.
    """

    metric: str
    height: Estimate
    at: float
    measured: float
    ends: tuple[float, float]
    peak: float
    others: tuple[tuple[str, Estimate], ...]
    points: int
    samples: int
    diverged: int
    quantile: float
    error: float

    _repr_pretty_ = in_words

    def __str__(self) -> str:
        first, last = (number(end, 3) for end in self.ends)
        lost = f"; {self.diverged} points are not finite, so it is higher" if self.diverged else ""
        return f"barrier of {self.metric}: {self.height}, highest point at {number(self.at, 3)}, ends {first} and {last}{lost}"


@dataclass(frozen=True)
class Verdict:
    """What a barrier is to be called. kind: `barrier` when the interval excludes zero, wrongly so in at most 2.5 %; `connected` when all of the interval is
    below `negligible`; else `open`. detectable: the lowest barrier that these samples would show in 80 % of cases. needed: how many samples would tell an open
    case, if the estimate is right; None where no number would.
    """

    kind: Literal["barrier", "connected", "open"]
    negligible: float
    detectable: float
    needed: int | None = None

    _repr_pretty_ = in_words

    def __str__(self) -> str:
        more = f"; about {self.needed:,} samples would decide" if self.needed else ""
        return (
            f"{self.kind}: below {number(self.negligible, 3)} counts as none, {number(self.detectable, 3)} would be detected in 80 % of cases{more}"
        )


def verdict(found: Barrier, negligible: float) -> Verdict:
    """What to call a barrier, given the height below which none is seen (explorer.stats.units.negligible)."""
    detectable = (found.quantile + POWER) * found.error
    if found.diverged:
        return Verdict("barrier", negligible, detectable)
    if found.height.high <= negligible:
        return Verdict("connected", negligible, detectable)
    if found.height.low > 0:
        return Verdict("barrier", negligible, detectable)
    if not isfinite(detectable):  # one sample
        return Verdict("open", negligible, detectable)
    gaps = [(found.quantile, found.height.value), (Z, negligible - found.height.value)]
    wanted = [(quantile * found.error / gap) ** 2 * found.samples for quantile, gap in gaps if gap > 0]
    return Verdict("open", negligible, detectable, _about(max(min(wanted), found.samples + 1)) if wanted else None)


def _about(number: float) -> int:
    """Rounded up to two figures."""
    unit = 10 ** max(len(str(int(number))) - 2, 0)
    return int(ceil(number / unit) * unit)


_barriers: dict[bytes, Barrier | None] = {}  # by all that decides one


def above_line(points: Points, metric: int = 0) -> tuple[Array, Array]:
    """L(t) − (1−t) L(0) − t L(1) at each point, and its standard error over blocks. Points must be sorted and hold both ends. (K,), (K,)."""
    found = Means(_rise(points, metric), points.counts)
    return found.value, found.error if len(points.counts) > 1 else np.zeros(len(points))


def band(points: Points, metric: int = 0) -> tuple[Array, Array]:
    """Pointwise 95 % interval of a metric's mean at each point: (K,), (K,)."""
    return levels(points.values[:, metric], points.counts)


def level(point: Points, metric: int = 0) -> Estimate:
    """A metric's mean at a single point, with its interval."""
    (low,), (high,) = band(point, metric)
    return Estimate(float(point.means()[0, metric]), float(low), float(high))


def barrier(points: Points, metric: int = 0, *, name: str = "loss") -> Barrier | None:
    """The barrier of a path whose points include t = 0 and t = 1 with finite values; None while an end is missing.

    It is worked out once for the same points: a page draws one line in several places, and looks again every half second.
    """
    formatted = (points.coords, points.values[:, metric], points.counts)
    text = [name.encode(), *(part for a in formatted for part in (f"{a.shape} {a.dtype}".encode(), np.ascontiguousarray(a).tobytes()))]
    key = hashlib.blake2b(b"\0".join(text), digest_size=16).digest()
    if key in _barriers:
        return _barriers[key]
    if len(_barriers) >= REMEMBERED:
        _barriers.clear()
    _barriers[key] = found = _worked_out(points, metric, name)
    return found


def _worked_out(points: Points, metric: int, name: str) -> Barrier | None:
    kept = _inside(points, metric)
    if kept is None:
        return None
    known, diverged = kept
    t, values, counts = known.coords[:, 0], known.values[:, metric], known.counts
    counted, level = are_counts(values), known.means()[:, metric]
    rise = Means(_rise(known, metric), counts, counted)
    top = largest(rise, 0.0)

    def above(line: Array) -> Estimate:
        return largest(Means(values - line, counts, counted)).estimate

    first, last = values[0], values[-1]
    worse = first if level[0] >= level[-1] else last
    others = [("max L(t) − mean of the ends", above((first + last) / 2)), ("max L(t) − worse end", above(worse))]
    if (middle := np.flatnonzero(t == 0.5)).size:
        others.append(("L(½) − mean of the ends", mean(rise.sums[middle[0]], counts, counted=counted)))
    return Barrier(
        metric=name,
        height=top.estimate,
        at=float(t[top.at]),
        measured=top.highest,
        ends=(float(level[0]), float(level[-1])),
        peak=float(level[top.at]),
        others=tuple(others),
        points=len(t),
        samples=int(counts.sum()),
        diverged=diverged,
        quantile=top.quantile,
        error=top.error,
    )


def difference(a: Points, b: Points, metric: int = 0) -> Estimate:
    """Paired interval of mean(a) − mean(b) for one point each of the same split, samples and blocks."""
    first, second = a.values[0, metric], b.values[0, metric]
    return mean(first - second, a.counts, counted=are_counts(np.stack([first, second])))


def highest(points: Points, metric: int = 0) -> Estimate:
    """The largest mean of a metric over all points whose metric is finite, with the interval of a maximum."""
    values = points.values[:, metric]
    floor = 0.0 if (values[np.isfinite(values)] >= 0).all() else -np.inf
    return largest(Means(values, points.counts, are_counts(values)), floor).estimate


def path_mean(points: Points, length: Array, metric: int = 0) -> Estimate:
    """The mean of a metric along a path, every piece by its length: trapezoids between measured points. length: (K,) at each point, in any order."""
    order = np.argsort(length, kind="stable")
    s, value = length[order], points.values[order, metric]
    weight = np.zeros(len(s))
    weight[:-1] += np.diff(s) / 2
    weight[1:] += np.diff(s) / 2
    weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(s), 1 / len(s))
    return mean(weight @ value, points.counts, counted=are_counts(value))


def reduction(before: Points, after: Points, metric: int = 0) -> Estimate | None:
    """How much lower the barrier of one path is than that of another, with its paired interval; None while a barrier is missing.

    Both paths were measured on the same samples in the same blocks.
    """
    rises: list[Means] = []
    for points in (before, after):
        if (kept := _inside(points, metric)) is None:
            return None
        rises.append(Means(_rise(kept[0], metric), points.counts, are_counts(kept[0].values[:, metric])))
    return apart(rises[0], rises[1])


def _inside(points: Points, metric: int) -> tuple[Points, int] | None:
    """The points from 0 to 1 that are finite, sorted, and how many are not; None while an end is missing."""
    known = points.sorted()
    t = known.coords[:, 0]
    within = (t >= 0) & (t <= 1)
    finite = np.isfinite(known.values[:, metric]).all(axis=1)
    kept = Points(known.coords[within & finite], known.values[within & finite], known.counts)
    t = kept.coords[:, 0]
    return (kept, int((within & ~finite).sum())) if len(t) > 1 and t[0] == 0 and t[-1] == 1 else None


def _rise(points: Points, metric: int) -> Array:
    """(K, B) block sums of the height above the straight line between the first and the last point."""
    t, value = points.coords[:, :1], points.values[:, metric]
    return value - ((1 - t) * value[:1] + t * value[-1:])
