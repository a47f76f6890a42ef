"""The difference of two numbers that are not means over the same samples, so that nothing cancels out."""

from __future__ import annotations

from math import hypot

from explorer.stats.intervals import Estimate


def apart(a: Estimate, b: Estimate) -> Estimate:
    """a − b. Their errors are taken for independent, which is too wide where they go together."""
    value = a.value - b.value
    return Estimate(value, value - hypot(a.value - a.low, b.high - b.value), value + hypot(a.high - a.value, b.value - b.low))
