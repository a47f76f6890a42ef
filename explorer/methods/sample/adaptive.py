"""As few points as the barrier needs: a coarse grid, then the peak, then wherever the curve still bends.

For curves (one coordinate). It starts with five points, walks to the peak of 'loss minus straight line' by parabola steps
until the peak would rise by less than a tenth of its sampling error, and halves the interval with the largest estimated
error of linear interpolation until that error is below the sampling error too, or the budget is spent. No gap stays wider
than `widest`, so that a spike between coarse points has to be narrow to hide.

It knows noise from shape because every point keeps its loss per block of samples: the standard error used here is that
of the paired difference to the straight line, not that of the loss.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from explorer.core.points import Array, Points, missing, rounded
from explorer.core.registry import Range
from explorer.stats.bootstrap import above_line

START = np.linspace(0.0, 1.0, 5)[[0, 4, 2, 1, 3]][:, None]
ROUNDING = 1e-6  # of the loss: single precision cannot tell smaller differences
CLOSEST = 1e-3  # two points are never asked for nearer to each other than this
AXES = 1  # the number of coordinates that it works with


def ask(
    points: Points,
    n: int,
    *,
    budget: Annotated[int, Range(5, 1001)] = 15,
    widest: Annotated[float, Range(0.001, 0.25)] = 0.125,
) -> Array:
    """The next point to evaluate, or the remaining ones of the coarse look. (≤ n, 1); empty: finished."""
    if points.coords.shape[1] != 1:
        raise ValueError("sample/adaptive works along a curve; use sample/grid for more coordinates.")
    if len(todo := missing(START, points.coords)):
        return todo[:n]
    inside = points.coords[:, 0]
    known = Points(points.coords[(inside >= 0) & (inside <= 1)], points.values[(inside >= 0) & (inside <= 1)], points.counts).sorted()
    if len(known) >= budget:
        return np.empty((0, 1))
    best = _next(known, widest)
    return np.empty((0, 1)) if best is None else rounded(np.array([[best]]))


def left(points: Points, *, budget: int = 15, widest: float = 0.125) -> int:
    """The most points it may still ask for."""
    inside = (points.coords[:, 0] >= 0) & (points.coords[:, 0] <= 1)
    return max(0, budget - int(inside.sum())) if len(ask(points, 1, budget=budget, widest=widest)) else 0


def _next(known: Points, widest: float) -> float | None:
    t = known.coords[:, 0]
    rise, error = above_line(known)
    finite = np.abs(known.means()[:, 0])[np.isfinite(known.means()[:, 0])]
    error = np.maximum(error, ROUNDING * finite.max(initial=0.0))
    if (vertex := _peak_step(t, rise, error)) is not None:
        return vertex
    gap = np.diff(t)
    bend = _bend(t, rise)
    # Linear interpolation over a gap h errs by up to h²/8 times the second derivative.
    excess = bend * gap**2 / 8 - np.maximum(error[:-1], error[1:])
    excess[gap > widest] = np.inf
    excess[gap <= 2 * CLOSEST] = -np.inf
    excess[np.isnan(excess)] = -np.inf
    if np.all(excess <= 0):
        return None
    widest_first = np.lexsort((-gap, -excess))
    i = int(widest_first[0])
    return float(t[i] + t[i + 1]) / 2


def _peak_step(t: Array, rise: Array, error: Array) -> float | None:
    """Vertex of the parabola through the highest point and its neighbours, when going there is worth it."""
    if np.isnan(rise).all():
        return None
    i = int(np.nanargmax(rise))
    if not 0 < i < len(t) - 1 or not np.isfinite(rise[i - 1 : i + 2]).all():
        return None
    (x0, x1, x2), (y0, y1, y2) = t[i - 1 : i + 2], rise[i - 1 : i + 2]
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    curvature = (right - left) / (x2 - x0)
    if curvature >= 0:
        return None
    vertex = (x0 + x1) / 2 - left / (2 * curvature)
    gain = -curvature * (vertex - x1) ** 2
    if gain <= 0.1 * error[i] or np.abs(t - vertex).min() < CLOSEST:
        return None
    return float(vertex)


def _bend(t: Array, y: Array) -> Array:
    """Size of the second derivative in each gap, from the neighbouring divided differences (the larger of the two)."""
    slope = np.diff(y) / np.diff(t)
    second = np.abs(2 * np.diff(slope) / (t[2:] - t[:-2]))
    return np.fmax(np.concatenate([second[:1], second]), np.concatenate([second, second[-1:]]))
