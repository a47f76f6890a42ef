"""As few points as the barrier needs: a coarse grid, then wherever the path may rise above its highest point, then wherever it still bends.

For curves (one coordinate). It starts with five points, lets no gap stay wider than `widest`, and goes on until the estimated error between the points is
below their sampling error (explorer.stats.between_points), or the budget is spent. A straight line takes nine points, a smooth barrier about twenty, five bumps
forty and more. What can still hide from it is said with the result (explorer.stats.hidden_peaks).

It knows noise from shape because every point keeps its loss per block of samples: the standard error used here is that of the paired difference to the
straight line, not that of the loss.

It measures no slopes. A slope costs about as much as two more points, and at equal cost more points are better: a peak of width 0.01 shows in 74 … 100 % of
its places with 30 points, and in 47 … 61 % with 10 points and their slopes (sampling errors of 10 … 0.1 % of it); the height of two close maxima, read off the
cubic spline through all of that, errs by 0.06 % against 1.2 %, medians of 400 pairs (benchmarks/peaks.py --slopes).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from explorer.core.points import Array, Points, missing
from explorer.core.registry import Range
from explorer.stats.between_points import gaps

START = np.linspace(0.0, 1.0, 5)[[0, 4, 2, 1, 3]][:, None]
AXES = 1  # the number of coordinates that it works with
USUAL = 20  # points of one barrier: what a plan says beside the budget


def ask(
    points: Points,
    n: int,
    *,
    budget: Annotated[int, Range(5, 1001)] = 151,
    widest: Annotated[float, Range(0.001, 0.25)] = 0.125,
) -> Array:
    """The next points to evaluate, the most urgent first. (≤ n, 1); empty: finished."""
    if points.coords.shape[1] != 1:
        raise ValueError("sample/adaptive works along a curve; use sample/grid for more coordinates.")
    if len(todo := missing(START, points.coords)):
        return todo[:n]
    inside = (points.coords[:, 0] >= 0) & (points.coords[:, 0] <= 1)
    known = Points(points.coords[inside], points.values[inside], points.counts).sorted()
    t = known.coords[:, 0]
    gap = np.diff(t)
    wide = np.flatnonzero(gap > widest)
    at = (t[wide] + gap[wide] / 2)[np.argsort(-gap[wide], kind="stable")] if len(wide) else gaps(known).unsettled()
    return missing(at[:, None], points.coords)[: max(0, min(n, budget - len(known)))]


def left(points: Points, *, budget: int = 151, widest: float = 0.125) -> int:
    """The most points it may still ask for."""
    inside = (points.coords[:, 0] >= 0) & (points.coords[:, 0] <= 1)
    return max(0, budget - int(inside.sum())) if len(ask(points, 1, budget=budget, widest=widest)) else 0
