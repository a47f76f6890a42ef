"""How often models are right at each confidence, beside what they say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from explorer.core.points import Array
from explorer.figures.curve import PALETTE, SYMBOLS


@dataclass(frozen=True, eq=False)
class Bins:
    """One model's bins: (bins,) numbers of predictions, their mean confidence, accuracy and its interval; NaN in a bin without predictions."""

    name: str
    count: Array
    confidence: Array
    accuracy: Array
    low: Array
    high: Array


def figure(models: Sequence[Bins], *, title: str) -> go.Figure:
    """Accuracy of each bin over its confidence with 95 % intervals; on the dotted line a model is as often right as it is sure."""
    fig = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "gray"}, name="calibrated", hoverinfo="skip"))
    for i, bins in enumerate(models):
        known = bins.count > 0
        fig.add_scatter(
            x=bins.confidence[known].astype(np.float32),
            y=bins.accuracy[known].astype(np.float32),
            error_y={
                "type": "data",
                "array": (bins.high - bins.accuracy)[known].astype(np.float32),
                "arrayminus": (bins.accuracy - bins.low)[known].astype(np.float32),
                "thickness": 1,
                "width": 2,
            },
            customdata=bins.count[known],
            mode="lines+markers",
            name=escape(bins.name, quote=False),
            line={"color": PALETTE[i % len(PALETTE)], "width": 1.5},
            marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 7},
            hovertemplate="confidence %{x:.3f}, accuracy %{y:.3f}, %{customdata} predictions",
        )
    fig.update_layout(
        title={"text": escape(title, quote=False), "font": {"size": 15}},
        height=420,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        legend={"orientation": "h", "y": -0.2},
    )
    fig.update_xaxes(title_text="confidence", range=[0, 1.02])
    fig.update_yaxes(title_text="accuracy", range=[0, 1.02])
    return fig
