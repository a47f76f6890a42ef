"""What stands around the traces of a panel: rules, ticks and titles of its axes, and scales of colours."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize

from explorer.core.errors import Refused
from explorer.figures.paper.colours import on_paper
from explorer.figures.paper.panel import Bar, Panel
from explorer.figures.paper.reading import array, floats, group, known, number, plain, text, titled
from explorer.figures.paper.sheet import Box, Sheet, union
from explorer.figures.ticks import Tick, nice_step, short, ticks

GAP, TICK = 6.0, 4.0  # px between ticks and their texts, and of a tick
BAR = 12.0  # px of a scale of colours
LETTER = 5.0  # px of the smallest letters
TURNED = 40.0  # degrees of names that do not fit side by side


def rules(panel: Panel) -> None:
    """Grid lines under the traces, a line at zero where the axis has one, and the base line, or a box around a heatmap."""
    sheet, ax = panel.sheet, panel.axes
    for axis, px, line in ((panel.x, panel.box.width, ax.axvline), (panel.y, panel.box.height, ax.axhline)):
        if axis.hidden:
            continue
        if axis.props.get("showgrid") is not False and not panel.fixed:
            for tick in axis.ticks(px):
                line(tick.at, color=on_paper(sheet.theme.rule, sheet.theme, fixed=True), linewidth=sheet.k, zorder=0.5)
        if axis.props.get("zeroline") and axis.low <= 0 <= axis.high:
            line(0.0, color=on_paper(text(axis.props, "zerolinecolor", sheet.theme.ink), sheet.theme), linewidth=sheet.k, zorder=0.6)
    ink, box = on_paper("#808495", sheet.theme), panel.box
    if panel.fixed and not (panel.x.hidden and panel.y.hidden):
        sheet.stroke([box.left, box.right, box.right, box.left, box.left], [box.top, box.top, box.bottom, box.bottom, box.top], width=1, colour=ink)
    elif not panel.x.hidden:
        sheet.stroke([box.left, box.right], [box.bottom, box.bottom], width=1, colour=ink)


def labels(panel: Panel) -> Box:
    """Ticks, their texts and the titles of both axes; the box around all."""
    sheet, box = panel.sheet, panel.box
    size = number(group(panel.layout, "font"), "size", 12.0)
    found = [box]
    if not panel.x.hidden:
        under = [box, *_under(panel, size)]
        if title := panel.x.title:
            rows = sheet.wrapped(plain(title), size, max(box.width, 0.8 * sheet.width))
            under.append(sheet.write(rows, (box.left + box.right) / 2, union(under).bottom + GAP, size=size, across="center"))
        found += under
    if not panel.y.hidden:
        beside = [box]
        marks = panel.y.ticks(box.height)
        small = min(0.9 * size, max(LETTER, _room([panel.py(t.at) for t in marks]) / 1.15))
        for tick in marks:
            y = panel.py(tick.at)
            if panel.fixed:
                sheet.stroke([box.left - TICK, box.left], [y, y], width=1, colour=on_paper("#808495", sheet.theme))
            beside.append(sheet.write([tick.text], box.left - GAP, y, size=small, across="right", down="center"))
        if title := panel.y.title:
            rows = sheet.wrapped(plain(title), size, max(box.height, 200.0))
            beside.append(
                sheet.write(
                    rows, union(beside).left - GAP, (box.top + box.bottom) / 2, size=size, across="right", down="center", turned=90, align="center"
                )
            )
        found += beside
    return union(found)


def _under(panel: Panel, size: float) -> list[Box]:
    """The texts under the axis; names that would meet are turned, and become smaller where they are many."""
    sheet, box = panel.sheet, panel.box
    found, marks = list[Box](), panel.x.ticks(box.width)
    named = bool(panel.x.names) or panel.x.props.get("ticktext") is not None
    room, small, turned = _room([panel.px(t.at) for t in marks]), 0.9 * size, 0.0
    if named and any(sheet.measured(t.text, small) > room - 4 for t in marks):
        turned = TURNED if small < room * np.sin(np.radians(TURNED)) else 90.0
        small = min(small, max(LETTER, room / 1.15))
    for tick in marks:
        x = panel.px(tick.at)
        if panel.fixed:
            sheet.stroke([x, x], [box.bottom, box.bottom + TICK], width=1, colour=on_paper("#808495", sheet.theme))
        found.append(
            sheet.write(
                [tick.text],
                x,
                box.bottom + GAP,
                size=small,
                across="right" if turned == TURNED else "center",
                down="center" if turned == TURNED else "top",
                turned=turned,
            )
        )
    return found


def _room(places: Sequence[float]) -> float:
    """px between neighbours."""
    return float(min(np.diff(sorted(places)), default=np.inf))


def scale_of_colours(sheet: Sheet, bar: Bar, beside: Box, left: float, size: float) -> Box:
    """A scale of colours as high as a box, with its left edge there, its title written upwards; the box around it."""
    props = bar.props
    known(
        props,
        "title",
        "tickvals",
        "ticktext",
        "tickformat",
        "len",
        "lenmode",
        "thickness",
        "outlinewidth",
        "x",
        "y",
        "yanchor",
        "tickfont",
        what="A scale of colours",
    )
    tall = min(number(props, "len", 1.0) * (1.0 if text(props, "lenmode") == "pixels" else beside.height), beside.height)
    middle = (beside.top + beside.bottom) / 2
    box = Box(left, middle - tall / 2, left + BAR, middle + tall / 2)
    ax = sheet.axes(box)
    ax.imshow(np.linspace(0, 1, 256)[:, None], cmap=bar.colours, norm=Normalize(0, 1), origin="lower", aspect="auto", interpolation="nearest")
    found = [box]
    for tick in _bar_ticks(bar, tall):
        y = box.bottom - tall * (tick.at - bar.low) / (bar.high - bar.low)
        sheet.stroke([box.right, box.right + 3], [y, y], width=1, colour=on_paper("#808495", sheet.theme))
        found.append(sheet.write([tick.text], box.right + GAP, y, size=0.9 * size, down="center"))
    if said := titled(props)[0]:
        rows = sheet.wrapped(plain(said), size, max(tall, 160.0))
        found.append(sheet.write(rows, union(found).right + GAP, middle, size=size, down="center", turned=90, align="center"))
    return union(found)


def _bar_ticks(bar: Bar, px: float) -> list[Tick]:
    if bar.props.get("tickvals") is not None:
        values = floats(bar.props["tickvals"])
        texts = [plain(str(t)) for t in array(bar.props["ticktext"])] if bar.props.get("ticktext") is not None else [short(float(v)) for v in values]
        found = [Tick(float(at), said) for at, said in zip(values, texts, strict=True)]
    else:
        found = ticks(bar.low, bar.high, nice_step((bar.high - bar.low) / max(3, int(px // 42))))
        if form := text(bar.props, "tickformat"):
            if not (parts := re.fullmatch(r"\.(\d)%", form)):
                raise Refused(f"The format {form!r} of a scale's ticks is not written on paper yet; such as '.0%' is.")
            found = [Tick(t.at, f"{100 * t.at:.{parts[1]}f}%") for t in found]
    slack = 1e-6 * (bar.high - bar.low)
    return [tick for tick in found if bar.low - slack <= tick.at <= bar.high + slack]
