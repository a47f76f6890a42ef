"""The small pictures on the lessons' cards: what a lesson is about, drawn in a few strokes. None shows a result, which would give the prediction away."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

BLUE, ORANGE, INK = "#0072b2", "#d55e00", "#808495"  # on white and on black
WIDE, TALL = 160, 64


def sketch(name: str) -> str:
    """A lesson's picture as HTML; it says nothing that the card does not. One of somebody else's has the picture of a path."""
    inside = SKETCHES.get(name, SKETCHES["curves"])
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {TALL}" width="{WIDE}" height="{TALL}" fill="none" stroke="{INK}" stroke-width="2"'
        f' stroke-linecap="round" stroke-linejoin="round" font-family="sans-serif">{inside}</svg>'
    )
    return f'<img alt="" src="data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}" style="display: block; width: 100%; height: {TALL}px; object-fit: contain">'


def _dot(x: float, y: float, colour: str = BLUE, r: float = 6) -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{colour}" stroke="none"/>'


def _path(d: str, colour: str = INK, *, dashed: bool = False, wide: float = 2) -> str:
    dashes = ' stroke-dasharray="4 5"' if dashed else ""
    return f'<path d="{d}" stroke="{colour}" stroke-width="{wide:g}"{dashes}/>'


def _ring(x: float, y: float, rx: float, ry: float, colour: str, turned: float = 0) -> str:
    return f'<ellipse cx="{x:g}" cy="{y:g}" rx="{rx:g}" ry="{ry:g}" stroke="{colour}" transform="rotate({turned:g} {x:g} {y:g})"/>'


def _word(x: float, y: float, text: str, colour: str = INK) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" font-size="20" font-weight="700" fill="{colour}" stroke="none">{text}</text>'


def _units(order: Iterable[int]) -> str:
    """Two columns of units, each joined to its partner."""
    rows = (10, 32, 54)
    return "".join(_path(f"M52 {rows[i]}L108 {rows[j]}", dashed=True) + _dot(46, rows[i]) + _dot(114, rows[j], ORANGE) for i, j in enumerate(order))


SKETCHES = {
    "barrier": _path("M28 46H132", dashed=True) + _dot(28, 46) + _dot(132, 46, ORANGE) + _word(80, 32, "?"),
    "two_neurons": _path("M48 62L112 2", dashed=True) + "".join(_ring(62, 20, r, r * 0.7, BLUE, 42) + _ring(98, 44, r, r * 0.7, ORANGE, 42) for r in (6, 12)),
    "sgd_noise": _path("M14 32L34 27L48 36L66 32", wide=3) + _path("M66 32L84 20L98 26L116 10L144 14", BLUE) + _path("M66 32L82 46L100 38L118 56L144 48", ORANGE),
    "permutations": _units((1, 2, 0)),
    "matching": _units((0, 1, 2)) + _path("M68 59H92M87 55L92 59L87 63"),
    "transport": _dot(46, 32, BLUE, 9) + _path("M56 29L104 14", wide=5) + _path("M56 35L104 50", wide=2) + _dot(114, 12, ORANGE) + _dot(114, 52, ORANGE),
    "curves": _path("M26 50H134", dashed=True) + _path("M26 50Q80 -24 134 50", ORANGE, wide=3) + _dot(26, 50) + _dot(134, 50),
    "subspaces": _path("M30 46L130 18", BLUE, wide=14) + "".join(_dot(30 + 25 * k, 46 - 7 * k, "#fff", 3.5) for k in range(5)),
    "robust": _ring(66, 34, 26, 26, INK) + _dot(66, 34) + _path("M72 31L88 22M81 20L88 22L85 29", ORANGE, wide=3) + _dot(124, 34, ORANGE, 4) + _path("M100 34H116", dashed=True),
    "averaging": _path("M80 8L104 18L112 38L92 54L64 50L48 34L60 14L88 14", dashed=True) + "".join(_dot(x, y, BLUE, 4) for x, y in ((80, 8), (104, 18), (112, 38), (92, 54), (64, 50), (48, 34), (60, 14))) + _path("M74 32H86M80 26V38", ORANGE, wide=4),
    "soups": _path("M44 24V46Q44 58 58 58H102Q116 58 116 46V24M36 24H124", wide=3) + _dot(64, 12) + _dot(80, 8, ORANGE) + _dot(96, 12) + _dot(70, 42, BLUE, 4) + _dot(90, 44, ORANGE, 4),
    "ensembles": "".join(_dot(34, y, BLUE, 7) + _path(f"M44 {y}L66 32") for y in (12, 32, 52)) + _word(80, 39, "Σ") + _path("M94 32H112") + _dot(126, 32, ORANGE, 8),
    "fisher_regmean": _ring(62, 34, 32, 11, BLUE, -20) + _ring(98, 28, 30, 10, ORANGE, 60) + _dot(62, 34, BLUE, 4) + _dot(98, 28, ORANGE, 4),
    "interference": _path("M14 20Q28 0 42 20T70 20T98 20T126 20T146 14", BLUE) + _path("M14 20Q28 40 42 20T70 20T98 20T126 20T146 26", ORANGE) + _path("M14 52H146", dashed=True),
    "arithmetic": _path("M30 54L78 38M70 35L78 38L73 45", BLUE, wide=3) + _path("M78 38L124 12M115 12L124 12L119 19", ORANGE, wide=3) + _dot(30, 54, INK, 4),
    "many_tasks": "".join(_path(f"M80 32L{x} {y}", colour, dashed=True) + _dot(x, y, colour) for x, y, colour in ((34, 14, BLUE), (40, 54, BLUE), (126, 22, ORANGE))) + _dot(80, 32, INK, 5) + _word(100, 58, "?"),
    "local_trainings": "".join(f'<rect x="{x}" y="34" width="26" height="22"/>' + _path(f"M{x + 13} 30L80 14", dashed=True) + _dot(x + 13, 45, colour, 5) for x, colour in ((24, BLUE), (67, ORANGE), (110, BLUE))) + _dot(80, 10, INK, 5),
    "language_models": _word(34, 40, "th") + _word(126, 40, "th", ORANGE) + _path("M54 34H106", dashed=True) + _word(80, 26, "?"),
    "more_than_order": _path("M40 4Q46 52 132 58", BLUE, wide=3) + _dot(42, 18, ORANGE, 5) + _dot(58, 44, ORANGE, 5) + _dot(104, 56, ORANGE, 5),
    "flatness": _path("M14 10Q46 98 78 10", BLUE, wide=3) + _path("M104 6Q120 110 136 6", ORANGE, wide=3) + _dot(46, 48, BLUE, 5) + _dot(120, 52, ORANGE, 5),
    "sam": _path("M30 6Q80 112 130 6", wide=2) + _dot(64, 50, BLUE, 5) + _path("M60 44L48 24M45 32L48 24L55 27", ORANGE, wide=3) + _ring(64, 50, 12, 12, INK),
}  # fmt: skip
