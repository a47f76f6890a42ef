"""Which classes a model takes for which: true classes down, predicted classes across."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

MOST_TEXTS = 20  # classes beyond which a count no longer fits its cell
MOST_TICKS = 30


def figure(counts: NDArray[np.integer], classes: Sequence[str], *, title: str) -> go.Figure:
    """(C, C) counts, counts[i, j] samples of class i predicted as j. Colour is the share of the true class; a class without samples is a gap."""
    c = len(classes)
    if counts.shape != (c, c):
        raise ValueError(f"Expected counts of shape {(c, c)} for {c} classes, got {counts.shape}.")
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.full((c, c), np.nan), where=total > 0)
    names = [escape(str(name), quote=False) for name in classes]
    places = np.arange(c)
    step = max(1, -(-c // MOST_TICKS))
    tickvals, ticktext = places[::step].tolist(), names[::step]
    hover = [[f"true {names[i]}<br>predicted {names[j]}<br>{counts[i, j]} of {total[i, 0]}" for j in range(c)] for i in range(c)]
    fig = go.Figure(
        go.Heatmap(
            x=places,
            y=places,
            z=share.astype(np.float32),
            text=counts.tolist(),
            texttemplate="%{text}" if c <= MOST_TEXTS else None,
            customdata=hover,
            hovertemplate="%{customdata}<br>%{z:.1%} of the class<extra></extra>",
            hoverongaps=False,
            colorscale="Cividis",
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "share of<br>true class"}, "tickformat": ".0%"},
        )
    )
    fig.update_layout(
        template="plotly_white",
        title={"text": escape(title, quote=False), "x": 0, "xref": "paper", "xanchor": "left"},
        height=max(360, min(760, 160 + 34 * c)),
        margin={"l": 90, "r": 20, "t": 60, "b": 70},
    )
    fig.update_xaxes(title_text="predicted class", constrain="domain", tickvals=tickvals, ticktext=ticktext, showgrid=False, zeroline=False)
    fig.update_yaxes(title_text="true class", autorange="reversed", scaleanchor="x", constrain="domain", automargin=True)
    fig.update_yaxes(tickvals=tickvals, ticktext=ticktext, showgrid=False, zeroline=False)
    return fig
