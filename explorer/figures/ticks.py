"""Where the marks of an axis stand and what is written at them: at 1, 2 or 5 times a power of ten.

`ui/charts/frontend/drawing.js` is the same in the browser.
"""

from __future__ import annotations

from math import ceil, floor, log10
from typing import NamedTuple


class Tick(NamedTuple):
    """A place on an axis, and its text."""

    at: float
    text: str


def nice_step(rough: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is at least `rough`, which is positive."""
    power = 10.0 ** floor(log10(rough))
    return next(lead for lead in (1, 2, 5, 10) if rough / power <= lead or lead == 10) * power


def ticks(low: float, high: float, step: float) -> list[Tick]:
    """The multiples of a step from low to high."""
    decimals = max(0, -floor(log10(step) + 1e-9))
    large = max(abs(low), abs(high)) >= 1e5 or decimals > 5
    places = [float(f"{k * step:.12g}") for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
    return [Tick(at, short(at) if large else minus(f"{at + 0.0:.{decimals}f}")) for at in places]


def log_ticks(low: float, high: float, wanted: int) -> list[Tick]:
    """Between two positive values: 1, 2, 5 of each decade, decades alone where those are many, and plain steps where there is hardly one."""
    exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
    found = [(lead, at) for e in exponents for lead in (1, 2, 5) if low <= (at := float(f"{lead * 10.0**e:.12g}")) <= high]
    if len(found) < 2:
        return [tick for tick in ticks(low, high, nice_step((high - low) / wanted)) if tick.at > 0]
    decades = [at for lead, at in found if lead == 1]
    if len(found) > wanted * 1.6 and len(decades) >= 2:
        return [Tick(at, short(at)) for at in decades[:: ceil(len(decades) / wanted)]]
    return [Tick(at, short(at)) for _, at in found]


def short(value: float) -> str:
    """Four significant digits."""
    if value == 0:
        return "0"
    if abs(value) < 1e5 and abs(value) >= 1e-4:
        text = f"{value:.4g}"
        return minus(f"{float(text):g}" if "e" in text else text)
    lead, exponent = f"{value:.2e}".split("e")
    return minus(f"{lead.rstrip('0').rstrip('.')}e{int(exponent)}")


def minus(text: str) -> str:
    """With minus signs for hyphens."""
    return text.replace("-", "−")
