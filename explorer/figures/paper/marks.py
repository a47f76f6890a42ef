"""Plotly's markers and dashes, as matplotlib's."""

from __future__ import annotations

from explorer.core.errors import Refused

SYMBOLS = {
    "circle": "o", "square": "s", "triangle-up": "^", "diamond": "D", "cross": "P", "triangle-down": "v", "x": "X", "hexagon": "h", "star": "*",
    "line-ew": "_", "line-ns": "|", "x-thin": "x",
}  # fmt: skip
SIZES = {"diamond": 0.8, "hexagon": 1.1, "cross": 1.05}  # of a marker that matplotlib draws larger or smaller than Plotly
STROKES = {"_", "|", "x"}  # without an inside
DASHES: dict[str, tuple[float, ...]] = {
    "solid": (), "dot": (1, 2), "dash": (4, 2.5), "dashdot": (5, 2, 1, 2), "longdash": (8, 3), "longdashdot": (8, 2.5, 1, 2.5),
}  # fmt: skip


def symbol(name: str) -> tuple[str, bool, float]:
    """Matplotlib's marker, whether it is open, and the factor of its size."""
    base, open_ = name.removesuffix("-open"), name.endswith("-open")
    if base not in SYMBOLS:
        raise Refused(f"The marker {name!r} is not drawn on paper yet. There are: {', '.join(SYMBOLS)}.")
    return SYMBOLS[base], open_, SIZES.get(base, 1.0)


def dash(name: str) -> str | tuple[int, tuple[float, ...]]:
    """Matplotlib's line style, in widths of the line."""
    if name not in DASHES:
        raise Refused(f"The dash {name!r} is not drawn on paper yet. There are: {', '.join(DASHES)}.")
    return (0, DASHES[name]) if DASHES[name] else "solid"
