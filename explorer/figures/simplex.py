"""Soups of three models on the triangle between them, with equal sides or at true distances."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from explorer.core import significant_digits
from explorer.core.points import Array
from explorer.figures.plane import decades


def corners(gram: Array) -> Array:
    """(3, 2) places of three models in their plane, the first at the origin and the second to the right of it, from their (3, 3) inner products."""
    square = np.diag(gram)[:, None] + np.diag(gram)[None] - 2 * gram
    far = np.sqrt(max(square[0, 1], 0.0))
    x = (square[0, 2] + far**2 - square[1, 2]) / (2 * far) if far > 0 else 0.0
    return np.array([[0.0, 0.0], [far, 0.0], [x, np.sqrt(max(square[0, 2] - x**2, 0.0))]])


EQUAL = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])


def figure(
    shares: Array,
    values: Array,
    gram: Array | None,
    names: Sequence[str],
    *,
    value_title: str,
    title: str,
    picked: Sequence[float] | None = None,
    log: bool = False,
) -> go.Figure:
    """(K, 3) shares that sum to 1, and the (K,) value of each soup; every mark is a measured soup, and nothing is drawn between them. NaN: diverged.

    gram: (3, 3) inner products, for a triangle at true distances, in which marks cover each other where two models are near; None: with equal sides. log: colours on a logarithmic scale.
    """
    places = EQUAL if gram is None else corners(gram)
    xy = shares @ places
    colour = np.log10(np.where(values > 0, values, np.nan)) if log else values
    finite = np.isfinite(colour)
    size = float(np.clip(300 / max(1.0, np.sqrt(len(values) * 2)), 10, 44))  # px of a mark
    off = size / 2 + 14
    fig = go.Figure()
    mixes = [" + ".join(f"{s:.3g} {escape(n, quote=False)}" for s, n in zip(row, names, strict=True) if s) for row in shares]
    hover = [f"{mix}<br>{escape(value_title, quote=False)} {significant_digits.number(float(v), 3)}" for mix, v in zip(mixes, values, strict=True)]
    fig.add_scatter(
        x=xy[finite, 0].astype(np.float32),
        y=xy[finite, 1].astype(np.float32),
        mode="markers",
        customdata=shares[finite],
        text=[h for h, f in zip(hover, finite, strict=True) if f],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "size": size,
            "symbol": "hexagon",
            "color": colour[finite].astype(np.float32),
            "colorscale": "Cividis",
            "colorbar": {"title": {"text": escape(value_title, quote=False)}, **(decades(colour) if log else {})},
        },
        showlegend=False,
    )
    if not finite.all():
        fig.add_scatter(x=xy[~finite, 0], y=xy[~finite, 1], mode="markers", marker={"symbol": "x", "color": "gray"}, name="diverged")
    for (x, y), name, below in zip(places, names, (True, True, False), strict=True):
        fig.add_annotation(x=x, y=y, text=escape(name, quote=False), showarrow=False, yshift=-off if below else off)
    if picked is not None:
        at = np.asarray(picked) / np.sum(picked) @ places
        mark = {"symbol": "circle-open", "size": 18, "color": "#D55E00", "line": {"width": 3}}
        fig.add_scatter(x=[at[0]], y=[at[1]], mode="markers", marker=mark, hoverinfo="skip", showlegend=False)
    pad = 0.12 * float(np.ptp(places)) or 1.0
    fig.update_xaxes(visible=False, range=[places[:, 0].min() - pad, places[:, 0].max() + pad])
    fig.update_yaxes(visible=False, scaleanchor="x", range=[-pad, places[:, 1].max() + pad])
    fig.update_layout(title={"text": escape(title, quote=False), "font": {"size": 15}}, height=460, margin={"l": 10, "r": 10, "t": 50, "b": 10})
    return fig
