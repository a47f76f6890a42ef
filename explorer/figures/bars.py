"""Single values with their 95 % intervals, one row each, from the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

import numpy as np
import plotly.graph_objects as go

from explorer.core import significant_digits
from explorer.figures.curve import INK, PALETTE, RULE

ROW = 44  # px
LETTER = 7  # px of one of the numbers, about
NAME, TITLE = 20, 36  # letters of a line


@dataclass(frozen=True)
class Bar:
    """A value and its interval; NaN is written as diverged. `strong`: the row that the sentence is about."""

    name: str
    value: float
    low: float
    high: float
    strong: bool = False


def figure(rows: Sequence[Bar], *, x_title: str, title: str = "", footnote: str = "") -> go.Figure:
    """Bars from zero, which is part of the axis, with the interval as a whisker, and the numbers as a column beside the axes: whole at any width."""
    fig = go.Figure()
    names = ["<br>".join(escape(part, quote=False) for part in wrap(row.name, NAME) or [""]) for row in rows]
    fig.add_bar(
        x=[row.value for row in rows],
        y=names,
        orientation="h",
        marker={"color": [PALETTE[1] if row.strong else PALETTE[0] for row in rows]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [row.high - row.value for row in rows],
            "arrayminus": [row.value - row.low for row in rows],
            "color": "#808495",
        },
        text=[shown(row) for row in rows],
        textposition="none",
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    ends = [end for row in rows for end in (row.high, row.low, 0.0) if np.isfinite(end)]
    room = 0.05 * (max(ends, default=1.0) - min(ends, default=0.0) or 1.0)
    for name, row in zip(names, rows, strict=True):
        said = f"<b>{shown(row)}</b>" if row.strong else shown(row)  # not by its colour alone
        fig.add_annotation(text=said, x=1, xref="paper", y=name, xanchor="left", xshift=6, showarrow=False)
    named = wrap(x_title, TITLE)
    fig.update_xaxes(
        title_text="<br>".join(escape(part, quote=False) for part in named), range=[min(ends, default=0.0) - room, max(ends, default=1.0) + room]
    )
    fig.update_yaxes(autorange="reversed", automargin=True)
    below = 50 + 19 * (len(named) - 1)
    fig.update_layout(showlegend=False, bargap=0.35, height=60 + below + ROW * len(rows), margin={"l": 10, "r": beside(rows), "t": 20, "b": below})
    if title or footnote:
        note = wrap(footnote, 105)
        fig.update_layout(
            template="plotly_white",
            title={"text": escape(title, quote=False), "x": 0, "xref": "paper"},
            font={"size": 14, "color": INK, "family": "system-ui, sans-serif"},
            margin={"t": 70, "b": below + 20 + 19 * len(note), "r": 1.2 * beside(rows)},
            height=110 + below + ROW * len(rows) + 19 * len(note),
        )
        fig.update_xaxes(gridcolor=RULE)
        fig.add_annotation(text="<br>".join(escape(n, quote=False) for n in note), xref="paper", yref="paper", x=0, y=0, yshift=-10 - below, yanchor="top", xanchor="left", align="left", showarrow=False)  # fmt: skip
    return fig


def beside(rows: Sequence[Bar], letter: float = LETTER) -> float:
    """How wide the column of numbers is, in px; letter: one of them."""
    return 16 + letter * max((len(shown(row)) for row in rows), default=0)


def shown(row: Bar) -> str:
    """The number with its interval."""
    return significant_digits.within(row.value, row.low, row.high)
