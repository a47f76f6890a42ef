"""What the measured points of a path say of the gaps between them: how wrong straight segments are, and how much higher the path may be.

Three estimates from the points alone, so that what one misses by a coincidence of symmetric points another shows:

- A curve whose second derivative stays below c rises over a gap of width h at most to the parabola of that curvature through its ends, which leaves the
  straight segment by c h²/8. For c the larger of the second differences at the two ends is taken.
- Where four points are concave, the neighbouring chords, continued, meet above everything that stays concave: kinks too (the roof).
- Each point is predicted from the four nearest others by a cubic (left out, as in a jackknife): what that misses, the points around it do not show.

A gap is settled when the first and the third are below a tolerance and neither parabola nor roof rises above the highest point by more than a margin. The
tolerance is the sampling error of the rise above the line, within 1 … 5 % of the curve's size, but at least a quarter of that error; the margin a tenth of
the sampling error, or half a percent of the height where that is more. What is narrower than all of this shows nowhere: explorer.stats.hidden_peaks says
how narrow. Plain numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from explorer.core.points import Array, Points
from explorer.stats.barriers import above_line

ROUNDING = 1e-6  # of the loss: single precision cannot tell smaller differences
CLOSEST = 1e-3  # two points are never asked for nearer to each other than this
MARGIN = 0.1, 0.005  # of the sampling error, of the height
TOLERANCE = 0.01, 0.05, 0.25  # least and most of the curve's size; in any case of the sampling error


@dataclass(frozen=True, eq=False)
class Gaps:
    """The gaps between neighbouring finite points, in order; those in which points diverged are left out.

    low, high: (G,) their ends. error: (G,) estimated error of the straight segment. above: (G,) by how much the path may rise above the highest measured
    point, at most; 0 where it may not. at: (G,) where it would. urgency: (G,) how far beyond the margin that is, ≤ 0 where it is within. tolerance: (G,)
    what the error may be. height: of the highest point above the straight line. sampling: its standard error.
    """

    low: Array
    high: Array
    error: Array
    above: Array
    at: Array
    urgency: Array
    tolerance: Array
    height: float
    sampling: float

    def unsettled(self) -> Array:
        """Where to measure next, the most urgent first; empty: the points tell the path to within their sampling error. (≤ G,)."""
        wide = self.high - self.low > 2 * CLOSEST
        rising = np.flatnonzero(wide & (self.urgency > 0))
        bent = np.flatnonzero(wide & (self.urgency <= 0) & (self.error > self.tolerance))
        rising = rising[np.argsort(-self.urgency[rising], kind="stable")]
        bent = bent[np.argsort((self.tolerance - self.error)[bent], kind="stable")]
        return np.concatenate([self.at[rising], ((self.low + self.high) / 2)[bent]])


def gaps(points: Points, metric: int = 0) -> Gaps:
    """Of sorted points from t = 0 to t = 1, both among them. Without any gap while an end, or all between them, has no finite value."""
    points = replace(points, values=np.where(np.isfinite(points.values), points.values, np.nan))
    rise, spread = above_line(points, metric)
    finite = np.isfinite(rise)
    t, y = points.coords[finite, 0], rise[finite]
    if len(t) < 3:
        return Gaps(*[np.empty(0)] * 7, height=0.0, sampling=0.0)
    rounding = ROUNDING * float(np.abs(points.means()[finite, metric]).max()) or ROUNDING  # of a loss that is 0 everywhere
    sampling = np.maximum(spread[finite], rounding)
    top, size = int(np.argmax(y)), float(np.abs(y).max())

    noise = np.maximum(sampling[:-1], sampling[1:])
    margin = np.maximum(MARGIN[0] * np.maximum(noise, sampling[top]), max(MARGIN[1] * float(y[top]), rounding))
    least, most, always = TOLERANCE
    tolerance = np.maximum(np.clip(noise, least * size, most * size), always * noise)

    curvature = _curvature(t, y)
    parabola, there = _parabola(t, y, curvature)
    roof, corner = _roof(t, y)
    over, over_roof = parabola - y[top], roof - y[top]
    curved = over > margin
    # The roof is the more careful of the two, and is held to twice the margin.
    urgency = np.where(curved, over - margin, over_roof - 2 * margin)
    h = np.diff(t)
    inside = np.maximum(0.1 * h, np.minimum(CLOSEST, h / 2))
    at = np.clip(np.where(curved, there, corner), t[:-1] + inside, t[1:] - inside)
    missed = _left_out(t, y)
    error = np.maximum(curvature * h**2 / 8, np.maximum(missed[:-1], missed[1:]))

    whole = np.diff(np.flatnonzero(finite)) == 1
    above = np.maximum(np.maximum(over, over_roof), 0.0)
    per_gap = (a[whole] for a in (t[:-1], t[1:], error, above, at, urgency, tolerance))
    return Gaps(*per_gap, height=float(y[top]), sampling=float(sampling[top]))


def _curvature(t: Array, y: Array) -> Array:
    """(G,) size of the second derivative, from the divided differences around both ends (the larger of the two)."""
    slope = np.diff(y) / np.diff(t)
    second = np.abs(2 * np.diff(slope) / (t[2:] - t[:-2]))
    return np.maximum(np.concatenate([second[:1], second]), np.concatenate([second, second[-1:]]))


def _parabola(t: Array, y: Array, curvature: Array) -> tuple[Array, Array]:
    """(G,) the highest value of y₀ + m s + c s (h − s) / 2 in each gap, and where: at s = h/2 + m/c, or at the higher end."""
    h, m = np.diff(t), np.diff(y) / np.diff(t)
    inside = np.abs(m) < curvature * h / 2
    s = np.where(inside, h / 2 + m / np.where(inside, curvature, 1.0), np.where(m > 0, h, 0.0))
    return y[:-1] + m * s + curvature * s * (h - s) / 2, t[:-1] + s


def _roof(t: Array, y: Array) -> tuple[Array, Array]:
    """(G,) where the chords of the neighbouring gaps meet, if their slopes fall from left to right; else the higher end, and the middle."""
    h = np.diff(t)
    slope = np.diff(y) / h
    before, after = np.concatenate([[-np.inf], slope[:-1]]), np.concatenate([slope[1:], [np.inf]])
    concave = (before > slope) & (slope > after)
    fall = np.where(concave, before - after, 1.0)
    s = np.where(concave, (y[1:] - y[:-1] - np.where(concave, after, 0.0) * h) / fall, h / 2)
    return np.where(concave, y[:-1] + np.where(concave, before, 0.0) * s, np.maximum(y[:-1], y[1:])), t[:-1] + s


def _left_out(t: Array, y: Array) -> Array:
    """(K,) by how much each point differs from the cubic through the four nearest others; 0 at both ends, and of fewer than five points."""
    if len(t) < 5:
        return np.zeros(len(t))
    inner = np.arange(1, len(t) - 1)
    window = np.clip(inner - 2, 0, len(t) - 5)[:, None] + np.arange(5)
    others = window[window != inner[:, None]].reshape(-1, 4)
    node = t[others]
    apart = node[:, :, None] - node[:, None, :] + np.eye(4)
    from_here = np.broadcast_to((t[inner, None] - node)[:, None, :], apart.shape)
    weight = np.prod(np.where(np.eye(4, dtype=bool), 1.0, from_here) / apart, axis=2)
    return np.concatenate([[0.0], np.abs((weight * y[others]).sum(axis=1) - y[inner]), [0.0]])
