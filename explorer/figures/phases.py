"""Numbers of a training's snapshots, one above the other over the epochs, so that its phases are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.core.points import Array
from explorer.figures.curve import INK, PALETTE, RULE

EACH, BESIDE = 170, 90  # pixels of a row, and of what is around all


@dataclass(frozen=True, eq=False)
class Phase:
    """One number of (T,) snapshots, with its 95 % interval; NaN where there is none."""

    title: str
    value: Array
    low: Array
    high: Array


def figure(x: Array, phases: Sequence[Phase], *, x_title: str) -> go.Figure:
    """(T,) places of the snapshots, and a row for each number. Refused where lengths differ."""
    fig = make_subplots(rows=max(len(phases), 1), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for row, phase in enumerate(phases, start=1):
        if not len(x) == len(phase.value) == len(phase.low) == len(phase.high):
            raise ValueError(f"Expected {len(x)} values of {phase.title!r}, one for each snapshot, got {len(phase.value)}.")
        colour = PALETTE[(row - 1) % len(PALETTE)]
        ends = {"type": "data", "symmetric": False, "array": phase.high - phase.value, "arrayminus": phase.value - phase.low, "thickness": 1}
        fig.add_scatter(
            x=x,
            y=phase.value,
            mode="lines+markers",
            line={"color": colour},
            error_y=ends,
            name=escape(phase.title, quote=False),
            showlegend=False,
            row=row,
            col=1,
        )
        fig.update_yaxes(title={"text": escape(phase.title, quote=False), "font": {"size": 12}}, gridcolor=RULE, row=row, col=1)
    fig.update_xaxes(title=x_title, row=max(len(phases), 1), col=1)
    fig.update_layout(template="plotly_white", font={"color": INK}, height=EACH * len(phases) + BESIDE, margin={"l": 10, "r": 10, "t": 20, "b": 10})
    return fig
