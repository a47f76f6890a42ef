"""Numbers of a network's layers, one under the other: a row of bars for each measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.core.points import Array
from explorer.figures.curve import PALETTE


@dataclass(frozen=True, eq=False)
class Measure:
    """(layers,) values with their interval, both or none; NaN is a layer that has no such value. title: may hold <br>. neutral: where nothing is lost."""

    title: str
    values: Array
    neutral: float
    low: Array | None = None
    high: Array | None = None


def figure(layers: Sequence[str], measures: Sequence[Measure]) -> go.Figure:
    """Layers from the input down; a dotted line at each measure's neutral value."""
    names = [escape(layer, quote=False) for layer in layers]
    fig = make_subplots(rows=1, cols=len(measures), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=[m.title for m in measures])
    places = np.arange(len(names))
    for column, measure in enumerate(measures, start=1):
        spread = None
        if measure.low is not None and measure.high is not None:
            spread = {
                "type": "data",
                "array": (measure.high - measure.values).astype(np.float32),
                "arrayminus": (measure.values - measure.low).astype(np.float32),
                "thickness": 1,
            }
        fig.add_scatter(
            x=measure.values.astype(np.float32),
            y=places,
            error_x=spread,
            mode="markers",
            marker={"color": PALETTE[(column - 1) % len(PALETTE)], "size": 8},
            customdata=names,
            hovertemplate="%{customdata}: %{x:.4g}<extra></extra>",
            showlegend=False,
            row=1,
            col=column,
        )
        fig.add_vline(x=measure.neutral, line={"dash": "dot", "color": "gray", "width": 1}, row=1, col=column)  # pyright: ignore[reportArgumentType]  (documented as int)
    fig.update_yaxes(tickvals=places.tolist(), ticktext=names, autorange="reversed", automargin=True)
    fig.update_layout(height=max(260, 120 + 24 * len(names)), margin={"l": 10, "r": 10, "t": 70, "b": 30})
    return fig
