"""The legend: a line or a mark for each named trace, side by side as far as they fit, over the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.figures.paper.colours import on_paper
from explorer.figures.paper.marks import STROKES, dash, symbol
from explorer.figures.paper.panel import faded, mode, own_colour
from explorer.figures.paper.reading import Props, array, group, known, number, plain, text
from explorer.figures.paper.sheet import PAD, Box, Sheet

SAMPLE, BETWEEN = 26.0, 14.0  # px of a sample, and between entries
KINDS = ("scatter", "bar", "scatter3d")


def entries(traces: Sequence[Props], layout: Props) -> list[tuple[int, Props]]:
    """The traces that a legend names, with their numbers; none where the figure has no legend."""
    shown = layout.get("showlegend")
    if shown is False or (shown is None and len(traces) < 2):
        return []
    return [(i, t) for i, t in enumerate(traces) if t["type"] in KINDS and t.get("showlegend") is not False and t.get("name")]


def legend(sheet: Sheet, found: Sequence[tuple[int, Props]], layout: Props, bottom: float, size: float) -> float:
    """Write it with its lower edge there; its upper edge."""
    props = group(layout, "legend")
    known(props, "orientation", "x", "y", "xanchor", "yanchor", "tracegroupgap", "font", "title", "xref", "yref", what="The legend")
    size = number(group(props, "font"), "size", size)
    line, wide = 1.5 * size, sheet.width - 2 * PAD
    rows: list[list[tuple[float, int, Props, list[str]]]] = [[]]
    x = 0.0
    for i, trace in found:
        said = sheet.wrapped(plain(text(trace, "name")), size, wide - SAMPLE - 6)
        room = SAMPLE + 6 + max(sheet.measured(row, size) for row in said)
        if rows[-1] and (x + room > wide or len(said) > 1):
            rows.append([])
            x = 0.0
        rows[-1].append((x, i, trace, said))
        x += room + BETWEEN
    heights = [line * max(len(said) for *_, said in row) for row in rows]
    top = bottom - sum(heights)
    for row, high in zip(rows, heights, strict=True):
        for x, i, trace, said in row:
            middle = top + line / 2
            _sample(sheet, trace, i, PAD + x, middle)
            sheet.write(said, PAD + x + SAMPLE + 6, middle - 0.62 * size, size=size)
        top += high
    return bottom - sum(heights)


def _sample(sheet: Sheet, trace: Props, index: int, x: float, y: float) -> None:
    """What the trace looks like, SAMPLE wide."""
    k, own, opacity = sheet.k, own_colour(trace, index), number(trace, "opacity", 1.0)
    if text(trace, "fill", "none") != "none":
        red, green, blue, alpha = on_paper(text(trace, "fillcolor", own), sheet.theme)
        sheet.block(Box(x, y - 5, x + SAMPLE, y + 5), (red, green, blue, alpha * opacity))
        return
    drawn, line, marker = mode(trace), group(trace, "line"), group(trace, "marker")
    if "lines" in drawn:
        colour = on_paper(text(line, "color", own), sheet.theme)
        wide = min(number(line, "width", 2.0), 4.0)
        sheet.stroke([x, x + SAMPLE], [y, y], width=wide, colour=colour, linestyle=dash(text(line, "dash", "solid")), alpha=opacity)
    if "markers" in drawn:
        shape, is_open, factor = symbol(text(marker, "symbol", "circle"))
        bare = is_open or shape in STROKES
        given, edge = marker.get("color"), group(marker, "line")
        colour = on_paper(given if isinstance(given, str) else own, sheet.theme)
        stroke = on_paper(text(edge, "color"), sheet.theme) if edge.get("color") else colour
        sheet.stroke(
            [x + SAMPLE / 2], [y], width=0, colour=colour, marker=shape, markersize=min(float(np.mean(array(marker.get("size", 6.0)))), 9.0) * factor * k,
            markerfacecolor="none" if bare else faded(colour, opacity), markeredgecolor=faded(stroke, opacity), markeredgewidth=number(edge, "width", 1.5 if bare else 0.0) * k,
        )  # fmt: skip
