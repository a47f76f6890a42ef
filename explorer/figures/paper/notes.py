"""Annotations and shapes of a figure, and names at its markers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from explorer.core.errors import Refused
from explorer.figures.paper.axis import Axis
from explorer.figures.paper.colours import TEXT, on_paper
from explorer.figures.paper.marks import dash
from explorer.figures.paper.panel import Panel
from explorer.figures.paper.reading import Props, group, known, lines, number, text
from explorer.figures.paper.sheet import PAD, Box, Sheet
from explorer.figures.place_labels import rows as apart

KEYS = (
    "text", "x", "y", "xref", "yref", "ax", "ay", "axref", "ayref", "xanchor", "yanchor", "xshift", "yshift", "showarrow", "arrowhead", "arrowwidth",
    "arrowcolor", "bgcolor", "font", "align", "borderpad",
)  # fmt: skip
Panels = Mapping[str, Panel]


def is_footnote(note: Props) -> bool:
    """Whether it stands under the picture."""
    return text(note, "yref") == "paper" and number(note, "y", 0.0) <= 0 and text(note, "yanchor") == "top"


def footnote(sheet: Sheet, note: Props, top: float, size: float) -> None:
    """Lines of the whole width."""
    size = number(group(note, "font"), "size", size)
    sheet.write(sheet.wrapped(" ".join(lines(text(note, "text"))[0]), size, sheet.width - 2 * PAD), PAD, top, size=size)


def annotate(panels: Panels, notes: Sequence[Props], area: Box, size: float) -> list[Box]:
    """Write notes where they belong; those joined to a place by a leader keep apart, whatever the height of the axes."""
    found = list[Box]()
    led = [note for note in notes if note.get("showarrow") is not False]
    heights: dict[int, float] = {}
    for name in {_panel_name(n) for n in led}:
        panel, those = panels[name], [n for n in led if _panel_name(n) == name]
        line = max(number(group(n, "font"), "size", size) for n in those) * 1.6
        wanted = [_end(n, "y", panel.py, panel.y) for n in those]
        placed = apart(wanted, line, panel.box.top + line / 2, panel.box.bottom - line / 2)
        heights |= {id(n): at for n, at in zip(those, placed, strict=True)}
    for note in notes:
        known(note, *KEYS, what="An annotation")
        panel = panels[_panel_name(note)]
        x, y = _place(note, "x", panel, area), _place(note, "y", panel, area)
        rows, bold = lines(text(note, "text"))
        font = group(note, "font")
        known(font, "size", "color", "family", what="The font of an annotation")
        colour = (
            on_paper(text(font, "color"), panel.sheet.theme, fixed=panel.fixed and not note.get("bgcolor"), contrast=TEXT)
            if font.get("color")
            else on_paper(panel.sheet.theme.ink, panel.sheet.theme, fixed=True)
        )
        if id(note) in heights:
            at = _end(note, "x", panel.px, panel.x), heights[id(note)]
            arrow = panel.colour(text(note, "arrowcolor", panel.sheet.theme.ink))
            panel.sheet.stroke([x, at[0]], [y, at[1]], width=number(note, "arrowwidth", 1.0), colour=arrow, order=5.5)
            x, y = at
        across, down = _anchor(note, "x", ("left", "center", "right")), _anchor(note, "y", ("bottom", "center", "top"))
        x, y = x + number(note, "xshift", 0.0), y - number(note, "yshift", 0.0)
        found.append(
            panel.sheet.write(
                rows, x, y, size=number(font, "size", size), colour=colour, across=across, down=down, bold=bold, halo=bool(note.get("bgcolor"))
            )
        )
    return found


def _panel_name(note: Props) -> str:
    """The panel whose axis a note names, else the first."""
    refs = [text(note, ref, letter).split(" ")[0] for ref, letter in (("xref", "x"), ("yref", "y"))]
    return next((ref[1:] for ref in refs if ref != "paper"), "")


def _place(note: Props, letter: str, panel: Panel, area: Box) -> float:
    """A note's or a shape's place in px; on an axis of logarithms a note's is an exponent."""
    ref, value = text(note, f"{letter}ref", letter), note.get(letter)
    if ref == "paper" or ref.endswith("domain"):
        box = area if ref == "paper" else panel.box
        share = float(str(value))
        return box.left + share * box.width if letter == "x" else box.bottom - share * box.height
    axis, px = (panel.x, panel.px) if letter == "x" else (panel.y, panel.py)
    return px(float(axis.names.index(value)) if isinstance(value, str) else float(str(value)))


def _end(note: Props, letter: str, px: Callable[[float], float], axis: Axis) -> float:
    """Where the text at the end of a leader stands."""
    offset, start = number(note, f"a{letter}", 0.0), note.get(letter)
    if text(note, f"a{letter}ref", "pixel") != "pixel":
        return px(offset)
    return px(float(axis.names.index(start)) if isinstance(start, str) else float(str(start))) + offset


def _anchor(note: Props, letter: str, sides: tuple[str, str, str]) -> str:
    """Which side of the text stands at its place. Without a word of it: on paper, that which keeps it on the paper."""
    given = text(note, f"{letter}anchor", "auto")
    if given == "auto":
        if text(note, f"{letter}ref", letter) != "paper" or note.get("showarrow") is not False:
            return "center"
        at = number(note, letter, 0.5)
        return sides[0] if at < 1 / 3 else sides[2] if at > 2 / 3 else sides[1]
    return {"middle": "center"}.get(given, given)


def shape(panels: Panels, props: Props, area: Box) -> None:
    """A line; other shapes are refused."""
    known(props, "x0", "x1", "y0", "y1", "xref", "yref", "line", "layer", what="A shape")
    if text(props, "type") != "line":
        raise Refused(f"A shape of the type {text(props, 'type')!r} is not drawn on paper yet; a line is.")
    panel, line = panels[_panel_name(props)], group(props, "line")
    known(line, "color", "width", "dash", what="The line of a shape")
    xs, ys = ([_place({**props, letter: props[f"{letter}{end}"]}, letter, panel, area) for end in "01"] for letter in "xy")
    order = 1.5 if text(props, "layer") == "below" else 5.0
    colour = panel.colour(text(line, "color", "#31333F"))
    panel.sheet.stroke(xs, ys, width=number(line, "width", 2.0), colour=colour, order=order - 2, linestyle=dash(text(line, "dash", "solid")))


def names(sheet: Sheet, box: Box, marked: Sequence[tuple[float, float, str]], size: float) -> None:
    """Names at markers: above, else where they cover neither a name nor a marker, as on the page."""
    taken = [Box(x - 7, y - 7, x + 7, y + 7) for x, y, _ in marked]
    for x, y, name in marked:
        w, h = sheet.measured(name, size), 1.25 * size
        rows = [(x - w / 2, top) for k in range(6) for top in (y - 10 - h * (k + 1), y + 10 + h * k)]
        tried = [*rows[:2], (x + 11, y - h / 2), (x - 11 - w, y - h / 2), *rows[2:]]
        kept = [
            (max(box.left + 2, min(left, box.right - 2 - w)), max(box.top + 1, min(top, box.bottom - 1 - h))) for left, top in tried
        ]  # fmt: skip
        left, top = next((p for p in kept if not any(Box(*p, p[0] + w, p[1] + h).meets(other) for other in taken)), kept[0])
        taken.append(Box(left, top, left + w, top + h))
        sheet.write([name], left, top, size=size, halo=True)
