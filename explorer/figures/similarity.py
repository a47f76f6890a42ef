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


APART = {"disagree": "predictions that differ (%)", "debiased": "1 − debiased CKA", "cka": "1 − linear CKA", "procrustes": "1 − Procrustes"}
ACROSS = {"distance": "distance of the weights", "cosine": "cosine of the weights"}


def pairs_of(models: int) -> list[tuple[int, int]]:
    """All pairs, the lower number first: in the order of a table's rows, and of the numbers that marks have as customdata."""
    return [(i, j) for i in range(models) for j in range(i + 1, models)]


def functions(found: Json, names: Sequence[str], *, up: str = "", across: str = "distance", layer: int = -1) -> go.Figure:
    """Functions against weights: for each pair of models the distance or cosine of their weights, across, and how much they differ, up, with its interval: the share of samples that
    they predict otherwise, or 1 − a similarity of what a layer gives. up: of `APART`; without, predictions where there are classes. customdata: the pair's number."""
    result = cast("dict[str, list[list[float | None]]]", found)
    up = up or ("disagree" if has_classes(found) else "debiased")
    pairs = pairs_of(len(names))
    apart = np.array([_apart(found, up, layer, i, j) for i, j in pairs]).reshape(len(pairs), 3)
    texts = [f"{escape(names[i], quote=False)} – {escape(names[j], quote=False)}" for i, j in pairs]
    fig = go.Figure()
    fig.add_scatter(
        x=[result[across][i][j] for i, j in pairs],
        y=apart[:, 0],
        mode="markers",
        marker={"size": 9, "color": PALETTE[0]},
        unselected={"marker": {"opacity": 1}},
        error_y={"type": "data", "symmetric": False, "array": apart[:, 2] - apart[:, 0], "arrayminus": apart[:, 0] - apart[:, 1], "color": "#808495"},
        customdata=list(range(len(pairs))),
        hovertext=texts,
        hoverinfo="text+x+y",
        showlegend=False,
    )
    fig.update_layout(template="plotly_white", height=360, font={"color": INK}, margin={"l": 10, "r": 10, "t": 30, "b": 10})
    fig.update_xaxes(title=ACROSS[across], gridcolor=RULE)
    fig.update_yaxes(title=APART[up], gridcolor=RULE)
    return fig


def _apart(found: Json, up: str, layer: int, i: int, j: int) -> tuple[float, float, float]:
    """How much two models differ, with the ends of its interval."""
    if up == "disagree":
        value, low, high = (100 * v for v in cast("dict[str, list[list[list[float]]]]", found)["disagree"][i][j])
        return value, low, high
    value, low, high = similar(found, up, layer, i, j)
    return 1 - value, 1 - high, 1 - low


def similar(found: Json, measure: str, layer: int, i: int, j: int) -> tuple[float, float, float]:
    """A similarity of two models in a layer, with its interval: NaN where nothing varies, and at ends that an older version did not work out."""
    result = cast("dict[str, list[list[list[float | None]]]]", found)
    value = result[measure][layer][i][j]
    known = cast("dict[str, dict[str, list[list[list[list[float] | None]]]]]", found).get("intervals")
    ends = known[measure][layer][i][j] if known else None
    low, high = ends or (np.nan, np.nan)
    return np.nan if value is None else value, low, high


def table(found: Json, names: Sequence[str], layer: int = -1) -> dict[str, list[str] | list[float | None]]:
    """A row for each pair of models: CKA, debiased, and Procrustes of a layer, disagreement, each with its interval; cosine and distance of the weights."""
    result = cast("dict[str, list[list[list[float | None]]]]", found)
    weights = cast("dict[str, list[list[float | None]]]", found)
    layers = cast("list[str]", cast("dict[str, object]", found)["layers"])
    pairs = pairs_of(len(names))
    columns: dict[str, list[str] | list[float | None]] = {"models": [f"{names[i]} – {names[j]}" for i, j in pairs]}
    for name, title in (("debiased", "debiased CKA"), ("cka", "linear CKA"), ("procrustes", "Procrustes")):
        if layers:
            columns[f"{title}, {layers[layer]}"] = [_told(*similar(found, name, layer, i, j)) for i, j in pairs]
    if has_classes(found):
        told = [cast("list[float]", result["disagree"][i][j]) for i, j in pairs]
        columns["predictions that differ"] = [significant_digits.within(*(100 * v for v in each), unit="%") for each in told]
    columns["cosine of weights"] = [weights["cosine"][i][j] for i, j in pairs]
    columns["distance of weights"] = [weights["distance"][i][j] for i, j in pairs]
    return columns


def _told(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "does not vary"
    return significant_digits.within(value, low, high) if np.isfinite(low) else significant_digits.number(value, 3)
