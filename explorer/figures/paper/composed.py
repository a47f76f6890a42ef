"""A whole figure on a sheet: heading, legend, panels, notes. The margins grow until everything lies on the sheet, with the letters as large as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.figures.paper import frame, notes, panel, relief
from explorer.figures.paper.axis import Axis, axis
from explorer.figures.paper.colours import on_paper
from explorer.figures.paper.legend import entries, legend
from explorer.figures.paper.panel import Bar, Panel
from explorer.figures.paper.presets import Preset, Theme
from explorer.figures.paper.reading import Props, group, groups, known, number, parts, plain, text, titled
from explorer.figures.paper.sheet import PAD, Box, Sheet, union

PASSES = 8  # of growing margins
NEAR = 1.5  # px of a margin that need not be put right; far less than what stays free
LEAST = 60.0  # px of axes that can be read
SQUARE = 0.75  # of the width: at most so high are axes whose height is free
LAYOUT = ("title", "font", "margin", "height", "width", "legend", "showlegend", "annotations", "shapes", "bargap", "scene", "barmode")


@dataclass(frozen=True)
class Margins:
    """px around the axes."""

    left: float = PAD
    top: float = PAD
    right: float = PAD
    bottom: float = PAD


def composed(figure: go.Figure, preset: Preset, theme: Theme, width: float) -> Sheet:
    """The figure drawn, `width` inches wide. Refused where something in it is not known, or it does not fit."""
    traces, layout = parts(figure)
    known(layout, *LAYOUT, *(name for name in layout if name[:5] in ("xaxis", "yaxis")), what="The layout")
    known(group(layout, "font"), "size", "color", "family", what="The font of the layout")
    k = preset.points / number(group(layout, "font"), "size", 12.0)
    wide = width * 72 / k
    high = preset.height * width / preset.width * 72 / k if preset.height else None
    draw = relief.draw if any(t["type"] in relief.KINDS for t in traces) else _cartesian
    margins, sheet = Margins(), None
    for _ in range(PASSES):
        tall = _tall(traces, layout, wide - margins.left - margins.right) if high is None else high - margins.top - margins.bottom
        if wide - margins.left - margins.right < LEAST or tall < LEAST:
            raise Refused(f"This picture does not fit {width:g} inches with letters of {preset.points:g} points. Choose a larger width or preset.")
        sheet = Sheet(wide, high or margins.top + tall + margins.bottom, k, theme)
        area = Box(margins.left, margins.top, wide - margins.right, margins.top + tall)
        around = draw(sheet, traces, layout, area)
        _heading(sheet, traces, layout, around)
        all_ = union(sheet.placed)
        grown = Margins(
            margins.left + PAD - all_.left,
            margins.top + PAD - all_.top,
            margins.right + all_.right - wide + PAD,
            margins.bottom + all_.bottom - sheet.height + PAD,
        )
        if max(abs(a - b) for a, b in zip(vars(grown).values(), vars(margins).values(), strict=True)) < NEAR:
            break
        margins = grown
    assert sheet is not None
    return sheet


def _tall(traces: Sequence[Props], layout: Props, wide: float) -> float:
    """px of the axes of a figure whose height is free: that of the page, but no higher than wide, where rows do not ask for more."""
    margin = group(layout, "margin")
    tall = number(layout, "height", 400.0) - number(margin, "t", 40.0) - number(margin, "b", 40.0)
    if any(t["type"] in relief.KINDS for t in traces):
        return SQUARE * wide
    rows = [group(layout, name) for name in layout if name.startswith("yaxis")]
    if any(one.get("scaleanchor") for one in rows):
        x, y = _axes(traces, layout, "", "")
        return min((y.high - y.low) / (x.high - x.low) * wide, max(tall, SQUARE * wide))
    named = any(one.get("ticktext") is not None for one in rows) or any(t["type"] == "bar" and t.get("orientation") == "h" for t in traces)
    return tall if named else min(tall, SQUARE * wide)


def _axes(traces: Sequence[Props], layout: Props, across: str, up: str) -> tuple[Axis, Axis]:
    """The axes with these numbers, "" for the first."""
    made = list[Axis]()
    for letter, number_ in (("x", across), ("y", up)):
        those = [t for t in traces if text(t, f"{letter}axis", letter) == f"{letter}{number_}"]
        name = f"{letter}axis{number_}"
        match = text(group(layout, name), "matches")
        shared = [t for t in traces if match and text(t, f"{letter}axis", letter) == match]
        log = text(group(layout, name), "type") == "log"
        reach: list[Array] = [part for t in (*those, *shared) for part in panel.reach(t, letter, log)]
        tight = any(t["type"] == "heatmap" for t in those)
        whole = any(t["type"] == "heatmap" and t.get(letter) is None for t in those)
        made.append(axis(letter, name, layout, [t[letter] for t in (*those, *shared) if t.get(letter) is not None], reach, tight=tight, whole=whole))
    return made[0], made[1]


def _boxed(layout: Props, x: Axis, y: Axis, area: Box) -> Box:
    """Where a panel stands: its share of the area; of true proportions where these are wanted, in the middle or at the side it is drawn to."""
    (x0, x1), (y0, y1) = ([float(str(v)) for v in (a.props.get("domain") or (0, 1))] for a in (x, y))  # pyright: ignore[reportGeneralTypeIssues]
    box = Box(area.left + x0 * area.width, area.bottom - y1 * area.height, area.left + x1 * area.width, area.bottom - y0 * area.height)
    if not y.props.get("scaleanchor"):
        return box
    unit = min(box.width / (x.high - x.low), box.height / (y.high - y.low))
    wide, high = unit * (x.high - x.low), unit * (y.high - y.low)
    left = box.left if text(x.props, "constraintoward") == "left" else box.left + (box.width - wide) / 2
    return Box(left, box.top, left + wide, box.top + high)


def _cartesian(sheet: Sheet, traces: Sequence[Props], layout: Props, area: Box) -> Box:
    """Panels with all that belongs to them; the box around."""
    size = number(group(layout, "font"), "size", 12.0)
    pairs = dict.fromkeys((text(t, "xaxis", "x")[1:], text(t, "yaxis", "y")[1:]) for t in traces) or {("", ""): None}
    panels, bars = dict[str, Panel](), list[tuple[Panel, Bar]]()
    for across, up in pairs:
        x, y = _axes(traces, layout, across, up)
        box = _boxed(layout, x, y, area)
        ax = sheet.axes(box)
        ax.set_xlim(*((x.high, x.low) if x.back else (x.low, x.high)))
        ax.set_ylim(*((y.high, y.low) if y.back else (y.low, y.high)))
        ax.set_autoscale_on(False)
        those = [t for t in traces if _on(t, across)]
        panels[across] = one = Panel(sheet, ax, x, y, box, any(t["type"] == "heatmap" for t in those), layout)
        frame.rules(one)
        for index, trace in enumerate(those):
            if (bar := panel.draw(one, trace, index)) is not None:
                bars.append((one, bar))
    around = union([frame.labels(one) for one in panels.values()])
    inside = union([one.box for one in panels.values()])
    for props in groups(layout, "shapes"):
        notes.shape(panels, props, inside)
    listed = groups(layout, "annotations")
    under = [n for n in listed if notes.is_footnote(n)]
    written = notes.annotate(panels, [n for n in listed if n not in under], inside, size)
    for name, one in panels.items():
        notes.names(sheet, one.box, [mark for t in traces if _on(t, name) for mark in panel.texts(one, t)], size)
    for one, bar in bars:
        left = max(one.box.right, *(b.right for b in written), 0.0) + 14
        around = union([around, frame.scale_of_colours(sheet, bar, one.box, left, size)])
    around = union([around, *written])
    for note in under:
        notes.footnote(sheet, note, around.bottom + 12, size)
    return around


def _on(trace: Props, name: str) -> bool:
    return text(trace, "xaxis", "x")[1:] == name


def _heading(sheet: Sheet, traces: Sequence[Props], layout: Props, around: Box) -> None:
    """Title and legend over the picture."""
    known(group(layout, "title"), "text", "font", "x", "xref", "xanchor", "y", "yref", "yanchor", "pad", what="The title")
    size = number(group(layout, "font"), "size", 12.0)
    at = around.top - 8
    if found := entries(traces, layout):
        at = legend(sheet, found, layout, at, size) - 8
    title, more = titled(layout)
    if title:
        large = number(group(more, "font"), "size", 17.0)
        rows = sheet.wrapped(plain(title), large, sheet.width - 2 * PAD)
        sheet.write(rows, PAD, at, size=large, down="bottom", colour=on_paper(sheet.theme.ink, sheet.theme, fixed=True))
