"""How many digits of a number are shown: those that its interval supports.

An interval is known to two significant digits of its half-width; what stands further right in the number or in its ends says nothing.
So 0.7498 [0.7151, 0.7859] is written 0.750 [0.715, 0.786], and a narrower interval shows more digits by itself.
"""

from __future__ import annotations

from math import floor, isfinite, isinf, log10

PLAIN = 7  # places after the point up to which a number is written out; below, by powers of ten
NOISE = 1e-12  # of the number: an interval below it is the arithmetic's, not the samples'


def within(value: float, low: float, high: float, *, unit: str = "", signed: bool = False) -> str:
    """A number, its unit and its 95 % interval, e.g. "0.750 nat [0.715, 0.786]"; what is not finite has diverged."""
    if not isfinite(value):
        return "diverged"
    value_, low_, high_ = formatted(value, low, high, signed=signed)
    return f"{value_}{unit and f' {unit}'} [{low_}, {high_}]"


def formatted(value: float, low: float, high: float, *, signed: bool = False) -> tuple[str, str, str]:
    """The number and the ends of its interval, each with the same places after the point."""
    half = (high - low) / 2
    largest = max(abs(x) for x in (value, low, high) if not isinf(x)) if isfinite(value) else 0.0
    if not isfinite(half) or half <= NOISE * largest:
        return number(value, signed=signed), number(low, signed=signed), number(high, signed=signed)
    places = 1 - floor(log10(half))
    return _fixed(value, places, signed), _fixed(low, places, signed), _fixed(high, places, signed)


def number(value: float, figures: int = 4, *, signed: bool = False) -> str:
    """A number that comes without an interval, to significant figures. A minus is a minus sign, and nought has no sign."""
    return _typeset(f"{value + 0.0:{'+' if signed and value else ''}.{figures}g}")


def _fixed(value: float, places: int, signed: bool) -> str:
    if not isfinite(value):
        return number(value, signed=signed)
    rounded = round(value, places) + 0.0  # no minus before nought
    if places > PLAIN and rounded:
        return _typeset(f"{rounded:{'+' if signed else ''}.{max(floor(log10(abs(rounded))) + places, 0)}e}")
    return _typeset(f"{rounded:{'+' if signed and rounded else ''},.{max(places if rounded else min(places, PLAIN), 0)}f}")


def _typeset(text: str) -> str:
    return text.replace("inf", "∞").replace("nan", "unknown").replace("-", "−")
