"""Any metric along a path: which are offered, and the barrier of one. Plain numpy (explorer.stats.metrics, explorer.stats.barriers)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explorer.core.points import Points
from explorer.core.spec import ProblemSpec
from explorer.stats import metrics
from explorer.stats.barriers import Barrier, barrier, highest, reduction
from explorer.stats.intervals import Estimate


def offered(problem: ProblemSpec) -> tuple[str, ...]:
    """The metrics that have a barrier and mean something for a problem. That of a perplexity is told by the loss, whose exponential it is."""
    return tuple(name for name in metrics.offered(problem) if not metrics.find(name).exponential)


def has_barrier(metric: str) -> bool:
    """Whether a metric has one: not one of somebody's own of which it is not known which values are the better ones."""
    return not metrics.is_own(metric) or metrics.find(metric).good != ""


def barrier_of(points: Points, measured: Sequence[str], metric: str) -> Barrier | None:
    """The barrier of a metric that the measured sums give; of one that is the better the higher, how far it falls below the straight line. None while an end
    is missing, and of a metric of somebody's own of which it is not known which values are the better ones. Refused when it was not measured."""
    if not has_barrier(metric):
        return None
    found = barrier(worse_upward(points, measured, metric), name=metric)
    if found is None or not falls(metric):
        return found
    return replace(found, ends=(-found.ends[0], -found.ends[1]), peak=-found.peak)


def worse_upward(points: Points, measured: Sequence[str], metric: str) -> Points:
    """Points with the one metric alone, its sign turned where the higher is the better. Refused when it was not measured."""
    found = metrics.column(points, measured, metric)
    return replace(found, values=-found.values) if falls(metric) else found


def reduction_of(before: Points, after: Points, measured: Sequence[str], metric: str) -> Estimate | None:
    """How much lower the barrier of one path is than that of another, with its paired interval; None while a barrier is missing."""
    return reduction(worse_upward(before, measured, metric), worse_upward(after, measured, metric))


def worst(points: Points, measured: Sequence[str], metric: str) -> Estimate:
    """The worst mean of a metric over the points, with the interval of an extreme: the highest, or the lowest of one that is the better the higher."""
    lowest, top = span(points, measured, metric)
    return lowest if falls(metric) else top


def span(points: Points, measured: Sequence[str], metric: str) -> tuple[Estimate, Estimate]:
    """The lowest and the highest mean of a metric over the points, each with the interval of an extreme."""
    found = metrics.column(points, measured, metric)
    turned = highest(replace(found, values=-found.values))
    return Estimate(-turned.value, -turned.high, -turned.low), highest(found)


def falls(metric: str) -> bool:
    """Whether a metric falls where models become worse."""
    return metrics.find(metric).good == "high"


def alone(row: Sequence[float], measured: Sequence[str], metric: str) -> float:
    """The metric of a model whose measured means are these."""
    return float(metrics.means(Points(np.zeros((1, 1)), np.array(row, dtype=np.float64)[None, :, None], np.ones(1)), measured, metric)[0])
