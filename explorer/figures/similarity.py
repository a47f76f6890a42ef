"""Pictures and numbers of how alike models are, of what explorer.methods.study.similarity found."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import cast

import numpy as np
import plotly.graph_objects as go

from explorer.core import significant_digits
from explorer.core.points import Array
from explorer.core.spec import Json
from explorer.figures.curve import INK, PALETTE, RULE


def matrix(rows: Sequence[Sequence[float | None]]) -> Array:
    """What was found as an array; NaN where nothing varies."""
    return np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=np.float64)


def between(found: Json) -> go.Figure:
    """Debiased CKA between every layer of the first model, up, and every layer of the second, across."""
    result = cast("dict[str, list[list[float | None]]]", found)
    names = [escape(name, quote=False) for name in cast("list[str]", result["layers"])]
    fig = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=matrix(result["between"]).astype(np.float32),
            zmin=0,
            zmax=1,
            colorscale="Cividis",
            colorbar={"thickness": 14},
            hovertemplate="%{y} – %{x}: %{z:.3f}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    fig.update_layout(title={"text": "Debiased CKA between layers", "font": {"size": 15}}, height=360, margin={"l": 10, "r": 10, "t": 50, "b": 10})
    fig.update_xaxes(type="category", title="layer of the second model", automargin=True)
    fig.update_yaxes(type="category", title="layer of the first model", automargin=True)
    return fig


def has_classes(found: Json) -> bool:
    """Whether predictions were compared."""
    return cast("dict[str, Json]", found)["disagree"] is not None


def functions(found: Json, names: Sequence[str]) -> go.Figure:
    """Functions against weights: for each pair of models the distance of their weights, across, and the share of samples on which they differ, up."""
    result = cast("dict[str, list[list[object]]]", found)
    pairs = [(i, j) for i in range(len(names)) for j in range(i)] if has_classes(found) else []
    far = [cast("float", result["distance"][i][j]) for i, j in pairs]
    apart = np.array([cast("list[float]", result["disagree"][i][j]) for i, j in pairs]).reshape(len(pairs), 3) * 100
    texts = [f"{escape(names[j], quote=False)} – {escape(names[i], quote=False)}" for i, j in pairs]
    fig = go.Figure()
    fig.add_scatter(
        x=far,
        y=apart[:, 0],
        mode="markers",
        marker={"size": 9, "color": PALETTE[0]},
        error_y={"type": "data", "symmetric": False, "array": apart[:, 2] - apart[:, 0], "arrayminus": apart[:, 0] - apart[:, 1], "color": "#808495"},
        hovertext=texts,
        hoverinfo="text+x+y",
        showlegend=False,
    )
    fig.update_layout(template="plotly_white", height=360, font={"color": INK}, margin={"l": 10, "r": 10, "t": 30, "b": 10})
    fig.update_xaxes(title="distance of the weights", gridcolor=RULE)
    fig.update_yaxes(title="predictions that differ (%)", gridcolor=RULE)
    return fig


def table(found: Json, names: Sequence[str]) -> dict[str, list[str] | list[float | None]]:
    """A row for each pair of models: CKA, debiased, and Procrustes of the last layer, disagreement with its interval, cosine and distance of the weights."""
    result = cast("dict[str, list[list[list[float | None]]]]", found)
    weights = cast("dict[str, list[list[float | None]]]", found)
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    columns: dict[str, list[str] | list[float | None]] = {"models": [f"{names[i]} – {names[j]}" for i, j in pairs]}
    for name, title in (("debiased", "debiased CKA"), ("cka", "linear CKA"), ("procrustes", "Procrustes")):
        columns[f"{title}, last layer"] = [result[name][-1][i][j] for i, j in pairs] if result[name] else [None for _ in pairs]
    if has_classes(found):
        told = [cast("list[float]", result["disagree"][i][j]) for i, j in pairs]
        columns["predictions that differ"] = [significant_digits.within(*(100 * v for v in each), unit="%") for each in told]
    columns["cosine of weights"] = [weights["cosine"][i][j] for i, j in pairs]
    columns["distance of weights"] = [weights["distance"][i][j] for i, j in pairs]
    return columns
