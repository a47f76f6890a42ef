"""A map of many models: who is joined to whom below a threshold, in which basins, and how certain that is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from scipy.spatial import ConvexHull, QhullError

from explorer.core.points import Array
from explorer.figures.curve import INK, PALETTE
from explorer.stats import units
from explorer.stats.model_map import Rises, basins
from explorer.stats.spanning_tree import spanning_tree

SCALE = "Cividis"
WIDE = 0.03  # of the picture, that a hull reaches beyond its models
HULL = "rgba(0,114,178,0.10)"
SURE, UNSURE = "#6B7280", "#D55E00"
FEW = 30  # models up to which all measured lines are drawn; of more, those of the spanning tree of the lowest rises


def figure(
    places: Array,
    known: Rises,
    names: Sequence[str],
    *,
    threshold: float,
    unit: str,
    colours: Sequence[float] | None = None,
    colour_title: str = "loss",
    sizes: Sequence[float] | None = None,
) -> go.Figure:
    """(n, 2) places, and the measured lines that rise by no more than the threshold: grey where that is certain, dashed orange where the interval reaches above it.
    Of many models only the lines of the spanning tree. A hull for each basin of two models and more. colours: a number of each model; sizes: (n,) from 0 to 1, such as sharpness."""
    n = len(names)
    if places.shape != (n, 2) or known.value.shape != (n, n):
        raise ValueError(f"Expected {n} places and rises of shape {(n, n)}, got {places.shape} and {known.value.shape}.")
    labels = [escape(name, quote=False) for name in names]
    fig = go.Figure()
    sure, _ = basins(known, threshold)
    for number in sorted(set(sure)):
        if sure.count(number) > 1:
            _hull(fig, places[[k for k in range(n) if sure[k] == number]], float(np.ptp(places, axis=0).max()) or 1.0)
    rows, columns = np.triu_indices(n, 1)
    every = zip(rows.tolist(), columns.tolist(), strict=True) if n <= FEW else [(e.i, e.j) for e in spanning_tree(known.value)]
    lines = [e for e in every if known.low[e] <= threshold]
    for certain in (True, False):
        mine = [e for e in lines if (known.high[e] <= threshold) == certain]
        if mine:
            x, y = (np.array([(places[i, axis], places[j, axis], np.nan) for i, j in mine]).ravel() for axis in range(2))
            line = {"color": SURE if certain else UNSURE, "width": 1, "dash": "solid" if certain else "dot"}
            name = "below the threshold" if certain else "may be below"
            fig.add_scatter(x=x, y=y, mode="lines", line=line, opacity=0.6, hoverinfo="skip", name=name)
    size = [9.0] * n if sizes is None else [6 + 14 * float(s) for s in sizes]
    marker: dict[str, object] = {"size": size, "color": PALETTE[0], "opacity": 1, "line": {"color": "white", "width": 1}}
    if colours is not None:
        marker |= {
            "color": list(colours),
            "colorscale": SCALE,
            "showscale": True,
            "colorbar": {"title": {"text": escape(colour_title, quote=False)}, "thickness": 14},
        }
    fig.add_scatter(
        x=places[:, 0],
        y=places[:, 1],
        mode="markers",
        marker=marker,
        customdata=list(range(n)),
        hovertext=labels,
        hoverinfo="text",
        showlegend=False,
    )
    count = len(set(sure))
    title = f"{count} {'basin' if count == 1 else 'basins'} of {n} models joined by lines that rise by at most {threshold:.3g}{units.after(unit)}"
    fig.update_layout(
        template="plotly_white",
        title={"text": escape(title, quote=False), "font": {"size": 15}},
        font={"color": INK},
        height=560,
        margin={"l": 20, "r": 20, "t": 60, "b": 20},
        legend={"orientation": "h", "y": 0, "yanchor": "top"},
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return fig


def _hull(fig: go.Figure, places: Array, span: float) -> None:
    """The convex hull of some places, wider by a part of the picture; two places have one around the line between them."""
    t = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    around = (places[:, None] + WIDE * span * np.stack([np.cos(t), np.sin(t)], axis=1)).reshape(-1, 2)
    try:
        corners = around[ConvexHull(around).vertices]
    except QhullError:  # all models at one place
        return
    x, y = np.vstack([corners, corners[:1]]).T
    fig.add_scatter(x=x, y=y, mode="lines", fill="toself", fillcolor=HULL, line={"color": HULL, "width": 1}, hoverinfo="skip", showlegend=False)
