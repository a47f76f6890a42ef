"""Curves and planes as small SVG texts: for places that run no script and have no drawing library, such as a saved notebook.

What the live pictures show, without what moves. Names are untrusted: every text is escaped.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from math import isfinite
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from plotly.colors import unlabel_rgb

from explorer.core import significant_digits
from explorer.core.points import Array
from explorer.figures import place_labels
from explorer.figures.curve import INK, PALETTE, RULE, Curve
from explorer.figures.plane import SCALE, Marker, Surface, axis_titles
from explorer.figures.ticks import Tick, nice_step, ticks
from explorer.figures.told import shades

WIDE, TALL = 640, 300  # px
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 30, 44  # px around the plot
BAR = 90  # px for the colour bar of a plane and its numbers
ROW = 18  # px between two labels of barriers
DECADES = 4  # of a logarithmic scale of colours, from the highest value downwards


class _Axis(NamedTuple):
    """Values from low to high at px from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def px(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, wanted: int) -> list[Tick]:
        return ticks(self.low, self.high, nice_step((self.high - self.low) / wanted))


def curves(drawn: Sequence[Curve], *, x_title: str, y_title: str) -> str:
    """Values along a path: points, 95 % bands, straight lines between the ends, barriers; × where one diverged."""
    drawn = [one.ordered() for one in drawn]
    legend = TOP + 18 * (len(drawn) if len(drawn) > 1 else 0)
    parts = [part for c in drawn for part in (c.y, c.low, c.high, c.chord, c.peak and (c.peak.foot, c.peak.top)) if part is not None]
    across = _Axis(*_reach([c.x for c in drawn]), LEFT, WIDE - RIGHT)
    up = _Axis(*_reach(parts, pad=0.12), TALL + legend - TOP - BOTTOM, legend)
    marks = [_text(y_title, 0, 14, bold=True)]
    for at, text in up.ticks(5):
        marks.append(_line(LEFT, up.px(at), WIDE - RIGHT, up.px(at), RULE))
        marks.append(_text(text, LEFT - 6, up.px(at) + 4, anchor="end"))
    marks += _below(across, up.start, x_title)
    for i, curve in enumerate(drawn):
        colour = PALETTE[i % len(PALETTE)]
        marks += _curve(curve, colour, across, up)
        if len(drawn) > 1:
            marks += [_line(0, TOP + 18 * i, 24, TOP + 18 * i, colour, width=2, dash="7 4" if curve.ghost else "")]
            marks += [_text(curve.name, 30, TOP + 18 * i + 4)]
    marks += _barriers(drawn, across, up)
    return _svg(WIDE, up.start + BOTTOM, marks)


def plane(grid: Surface, markers: Sequence[Marker], *, z_title: str, log: bool = False, scale: str = SCALE) -> str:
    """A plane: a coloured cell for each value, grey where nothing is known, and the models in it; distances are to scale."""
    half = [(axis[-1] - axis[0]) / (len(axis) - 1) / 2 if len(axis) > 1 else 0.5 for axis in (grid.x, grid.y)]
    x0, x1, y0, y1 = grid.x[0] - half[0], grid.x[-1] + half[0], grid.y[0] - half[1], grid.y[-1] + half[1]
    width = WIDE - LEFT - BAR
    tall = round(min(1.2 * width, width * (y1 - y0) / (x1 - x0)))
    width = round(tall * (x1 - x0) / (y1 - y0))
    across, up = _Axis(x0, x1, LEFT, LEFT + width), _Axis(y0, y1, TOP + tall, TOP)
    titles, colours = axis_titles(markers), np.array([unlabel_rgb(c) for c in shades(scale)]).round().astype(np.uint8)
    low, high = _span(grid.z, log)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((_up(grid.z, log) - _up(low, log)) / (_up(high, log) - _up(low, log)), 0, 1)
    cells = np.where(np.isfinite(share)[..., None], colours[np.rint(np.nan_to_num(share) * (len(colours) - 1)).astype(int)], np.uint8(200))
    marks = [_text(z_title + (", colours logarithmic" if log else ""), 0, 14, bold=True), _image(cells[::-1], LEFT, TOP, width, tall)]
    marks += _below(across, up.start, titles[0])
    for at, text in up.ticks(5):
        marks.append(_text(text, LEFT - 6, up.px(at) + 4, anchor="end"))
    marks.append(_text(titles[1], 14, (up.start + up.end) / 2, anchor="middle", turned=True))
    bar = LEFT + width + 16
    marks.append(_image(colours[::-1, None], bar, TOP, 14, tall))
    for at in np.linspace(0, 1, 5):
        value = 10 ** (_up(low, log) + at * (_up(high, log) - _up(low, log))) if log else low + at * (high - low)
        marks.append(_text(significant_digits.number(float(value), 3), bar + 19, up.start - at * tall + 4))
    for m in markers:
        marks.append(f'<circle cx="{across.px(m.x)}" cy="{up.px(m.y)}" r="5" fill="#fff" stroke="{INK}" stroke-width="2"/>')
        marks.append(_text(m.name, across.px(m.x), up.px(m.y) - 9, anchor="middle", halo=True))
    return _svg(WIDE, up.start + BOTTOM, marks)


def address(svg: str) -> str:
    """The picture as the address of an image: it runs nothing, and its style and the page's do not meet."""
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def _curve(curve: Curve, colour: str, across: _Axis, up: _Axis) -> list[str]:
    """One of them, in stretches of what is finite."""
    known, x, y = np.isfinite(curve.y), *(cast("list[float]", part.tolist()) for part in (curve.x, curve.y))
    marks = [f'<path d="M{across.px(x[j]) - 4} {up.end}l8 8m0 -8l-8 8" stroke="{colour}" fill="none"/>' for j in np.flatnonzero(~known)]
    for part in np.split(np.arange(len(x)), np.flatnonzero(np.diff(known)) + 1):
        stretch = cast("list[int]", part.tolist())
        if not stretch or not known[stretch[0]]:
            continue
        if curve.low is not None and curve.high is not None and np.isfinite([curve.low[stretch], curve.high[stretch]]).all():
            band = [(x[j], float(curve.high[j])) for j in stretch] + [(x[j], float(curve.low[j])) for j in stretch[::-1]]
            marks.append(f'<path d="M{"L".join(f"{across.px(a)} {up.px(b)}" for a, b in band)}Z" fill="{colour}" opacity="0.2"/>')
        places = "L".join(f"{across.px(x[j])} {up.px(y[j])}" for j in stretch)
        dash = ' stroke-dasharray="7 4"' if curve.ghost else ""
        marks.append(f'<path d="M{places}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        marks += [f'<circle cx="{across.px(x[j])}" cy="{up.px(y[j])}" r="3" fill="{colour}"/>' for j in stretch]
    if curve.chord is not None and len(x) > 1 and all(map(isfinite, curve.chord)):
        marks.append(_line(across.px(x[0]), up.px(curve.chord[0]), across.px(x[-1]), up.px(curve.chord[1]), colour, dash="1.5 4"))
    return marks


def _barriers(drawn: Sequence[Curve], across: _Axis, up: _Axis) -> list[str]:
    """Their brackets, and beside the top of each its label with a leader, in rows that do not meet."""
    peaks = [(c.peak, PALETTE[i % len(PALETTE)]) for i, c in enumerate(drawn) if c.peak is not None and all(map(isfinite, c.peak[:3]))]
    heights = place_labels.rows([up.px(peak.top) - ROW for peak, _ in peaks], ROW, up.end + ROW / 2, up.start)
    marks: list[str] = []
    for (peak, colour), height in zip(peaks, heights, strict=True):
        at, foot, top = across.px(peak.x), up.px(peak.foot), up.px(peak.top)
        left = peak.x > (across.low + across.high) / 2
        side = -1 if left else 1
        marks.append(f'<path d="M{at - 8} {top}h16m-8 0V{foot}m-8 0h16" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        marks.append(_line(at, top, at + 22 * side, height, colour))
        marks.append(_text(peak.label, at + 26 * side, height + 4, anchor="end" if left else "start", halo=True, bold=True))
    return marks


def _below(across: _Axis, y: float, title: str) -> list[str]:
    marks = [_line(across.start, y, across.end, y, INK)]
    for at, text in across.ticks(6):
        marks.append(_line(across.px(at), y, across.px(at), y + 4, INK))
        marks.append(_text(text, across.px(at), y + 17, anchor="middle"))
    return [*marks, _text(title, (across.start + across.end) / 2, y + 36, anchor="middle")]


def _reach(parts: Sequence[Array | tuple[float, float]], *, pad: float = 0.0) -> tuple[float, float]:
    """The ends of an axis that all of it lies between; from 0 to 1 of nothing."""
    values = np.concatenate([np.asarray(part, dtype=np.float64) for part in parts] or [np.empty(0)])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    room = pad * (high - low)
    return (0.0 if pad and 0 < low < 0.4 * high else low - room), high + room


def _span(z: Array, log: bool) -> tuple[float, float]:
    """The values of the first and the last colour, as the live plane has them."""
    known = z[np.isfinite(z) & ((z > 0) | (not log))]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.1, 1.0)
    low = max(low, high / 10**DECADES) if log else low
    return (low, high) if low < high else (low - abs(low or 1) / 2, high + abs(high or 1) / 2)


def _up(z: Array | float, log: bool) -> Array:
    return np.log10(z) if log else np.asarray(z)


def _image(colours: NDArray[np.uint8], x: float, y: float, width: float, tall: float) -> str:
    """(h, w, 3) bytes as a PNG, a hard-edged cell for each."""
    raw = b"".join(b"\0" + row.tobytes() for row in colours)
    head = struct.pack(">IIBBBBB", colours.shape[1], colours.shape[0], 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    href = f"data:image/png;base64,{b64encode(png).decode()}"
    return f'<image x="{x}" y="{y}" width="{width}" height="{tall}" preserveAspectRatio="none" style="image-rendering:pixelated" href="{href}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{colour}" stroke-width="{width}"{dashed}/>'


def _text(content: str, x: float, y: float, *, anchor: str = "start", bold: bool = False, halo: bool = False, turned: bool = False) -> str:
    kind = (' font-weight="600"' if bold else "") + (' paint-order="stroke" stroke="#fff" stroke-width="4"' if halo else "")
    turn = f' transform="rotate(-90 {x} {y})"' if turned else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{kind}{turn}>{escape(content)}</text>'


def _svg(width: float, tall: float, marks: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 8}" height="{tall}" viewBox="-8 0 {width + 8} {tall}" font-family="system-ui, sans-serif"'
        f' font-size="12" fill="{INK}"><rect x="-8" width="{width + 8}" height="{tall}" fill="#fff"/>{"".join(marks)}</svg>'
    )
