"""What stands over a picture for a report: its title, and under that the legend, a line for each name, with the room that both need."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import wrap

WIDE = 46  # letters of a line that fit the narrowest picture, 480 px
TITLE, NAME, GAP = 24, 20, 14  # px: a line of the title, one of the legend, and around them


def lines(text: str) -> str:
    """Text as markup, in lines that are not cut."""
    return "<br>".join(escape(line, quote=False) for line in wrap(text, WIDE) or [""])


def heading(title: str, names: Sequence[str], *, lift: float = 0.0, tall: float, below: float) -> dict[str, object]:
    """Of a figure's layout: title, legend, margins and height. names: those in the legend; lift: px between it and the plot, which is `tall` px high and has
    `below` px under it."""
    above, rows = lines(title).count("<br>") + 1, sum(lines(name).count("<br>") + 1 for name in names)
    top = 2 * GAP + TITLE * above + NAME * rows + lift
    return {
        "title": {
            "text": lines(title),
            "font": {"size": 17},
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": GAP},
        },
        "legend": {
            "orientation": "v",
            "x": 0,
            "xanchor": "left",
            "y": 1 + (6 + lift) / tall,
            "yanchor": "bottom",
            "tracegroupgap": 0,
            "font": {"size": 13},
        },
        "margin": {"t": top, "b": below},
        "height": top + tall + below,
    }
