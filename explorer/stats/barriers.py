"""The barrier of any metric that a field measures: how far it becomes worse between two models, which for one whose higher values are better is a fall.

Of a metric of somebody's own of which it is not known which values are the better ones, there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from explorer.core.points import Points
from explorer.stats import bootstrap, metrics
from explorer.stats.bootstrap import Barrier, Estimate


def barrier_of(points: Points, measured: Sequence[str], metric: str) -> Barrier | None:
    """The barrier, its ends and its peak in the metric's own values; None while an end is missing, and where nothing is better or worse."""
    if metrics.find(metric).good == "":
        return None
    found = bootstrap.barrier(worse(points, metric), measured.index(metric), name=metric)
    if found is None or not falls(metric):
        return found
    return replace(found, ends=(-found.ends[0], -found.ends[1]), peak=-found.peak)


def reduction_of(before: Points, after: Points, measured: Sequence[str], metric: str) -> Estimate | None:
    """How much lower the barrier of one path is than that of another, with its paired interval; None while a barrier is missing."""
    return bootstrap.reduction(worse(before, metric), worse(after, metric), measured.index(metric))


def worse(points: Points, metric: str) -> Points:
    """The points, so that what is worse is higher."""
    return replace(points, values=-points.values) if falls(metric) else points


def falls(metric: str) -> bool:
    """Whether a metric falls where models become worse."""
    return metrics.find(metric).good == "high"
