"""What the measured points of a path cannot show: how much higher it may be between them, and how narrow a peak would have to be to hide there.

The width is that of a bell, h · 2^(−(2x/w)²), whose middle lies in the middle of a gap g: at both ends of the gap it is h · 2^(−(g/w)²). Two points that a peak
lifts by v, among others that it does not reach, differ by v/3 from what those others predict (the left-out points of explorer.stats.between_points; a cubic
through (0, 0, v, 0) has 2v/3 at the fourth). So a peak stays unseen while v is below three times the tolerance, and that is

    w = g / √log₂(h / 3 tolerance):   narrower ones may hide, wider ones show.

A peak as high as the barrier is asked about, but at least of six tolerances, at which w is the gap itself; lower ones are within the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.core.points import Points
from explorer.core.pretty import in_words
from explorer.core.significant_digits import number
from explorer.core.spec import Method
from explorer.stats.between_points import gaps

SEEN = 3.0  # tolerances by which a peak lifts the points on both sides of it when it shows


@dataclass(frozen=True)
class Hidden:
    """above: by how much the path may rise above its highest measured point, estimated from the points around. error: the largest estimated error of the
    straight segments between points. sampling: standard error of the rise at the highest point. settled: whether both are as small as the adaptive sampler
    makes them. height, width: a peak so high may hide between points if it is narrower than this at half its height, in t. gap: the widest gap. points: how
    many are finite or not."""

    above: float
    error: float
    sampling: float
    settled: bool
    height: float
    width: float
    gap: tuple[float, float]
    points: int

    _repr_pretty_ = in_words

    def __str__(self) -> str:
        rise = f"perhaps {number(self.above, 2)} higher" if self.above > 0 else "no higher, by estimate"
        return f"between {self.points} points {rise}; a peak of {number(self.height, 2)} narrower than {number(self.width, 3)} could still hide"

    def out_of_budget(self, sampler: Method) -> bool:
        """Whether the sampler stopped because of its budget, and not because the path is settled."""
        budget = sampler.kwargs().get("budget")
        return not self.settled and isinstance(budget, int) and self.points >= budget


def hidden(points: Points, metric: int = 0) -> Hidden | None:
    """Of points in any order; None while an end of the path is missing or has no finite value, or nothing between them has one."""
    t = points.coords[:, 0]
    known = Points(points.coords[(t >= 0) & (t <= 1)], points.values[(t >= 0) & (t <= 1)], points.counts).sorted()
    t = known.coords[:, 0]
    if len(t) < 3 or t[0] != 0.0 or t[-1] != 1.0:
        return None
    found = gaps(known, metric)
    if not len(found.low):
        return None
    widths = found.high - found.low
    height = max(found.height, 2 * SEEN * float(found.tolerance.max()))
    widest = int(np.argmax(widths))
    return Hidden(
        above=float(found.above.max()),
        error=float(found.error.max()),
        sampling=found.sampling,
        settled=not len(found.unsettled()),
        height=height,
        width=float((widths / np.sqrt(np.log2(height / (SEEN * found.tolerance)))).max()),
        gap=(float(found.low[widest]), float(found.high[widest])),
        points=len(t),
    )
