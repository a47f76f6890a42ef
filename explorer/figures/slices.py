"""A field of three coordinates and more as slices: planes of the first two, side by side for each value of the third, one below the other for the fourth, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.core import significant_digits
from explorer.core.points import Array
from explorer.figures.plane import SCALE, decades, span

MOST = 9  # slices along an axis: an even choice of more
SIDE = 120  # px of a slice


def figure(values: Array, axes: Sequence[Array], *, names: Sequence[str], z_title: str, log: bool = False) -> go.Figure:
    """Values of shape (n₁, …, n_d) on a grid, and (nᵢ,) distances along each axis, d ≥ 3. Of more than four, the middle of each further one.

    names: what the axes are called. log: colours on a logarithmic scale. NaN is a gap.
    """
    if values.ndim < 3 or values.shape != tuple(map(len, axes)) or len(names) != len(axes):
        raise ValueError(f"Expected values on a grid of three axes or more, each with its places and name; got {values.shape} and {len(axes)} axes.")
    while values.ndim > 4:
        values = values[..., values.shape[-1] // 2]
    shown = values if values.ndim == 4 else values[..., None]
    across, down = _chosen(shown.shape[2]), _chosen(shown.shape[3])
    low, high = span(values, log)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.log10(np.where(shown > 0, np.maximum(shown, low), np.nan)) if log else shown
    ends = (np.log10(low), np.log10(high)) if log else (low, high)
    called = [escape(n, quote=False) for n in names]
    fig = make_subplots(
        rows=len(down),
        cols=len(across),
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.012,
        vertical_spacing=0.3 / max(len(down), 2),
        subplot_titles=[_at(called, axes, i, j if values.ndim == 4 else None) for j in down for i in across],
    )
    for row, j in enumerate(down, 1):
        for column, i in enumerate(across, 1):
            z = drawn[:, :, i, j].T.astype(np.float32)
            fig.add_heatmap(
                x=axes[0],
                y=axes[1],
                z=z,
                zmin=ends[0],
                zmax=ends[1],
                colorscale=SCALE,
                showscale=row == 1 and column == len(across),
                colorbar={"title": {"text": escape(z_title, quote=False)}, "thickness": 14, **(decades(drawn[np.isfinite(drawn)]) if log else {})},
                hovertemplate="%{x:.3g}, %{y:.3g}: " + ("10^" if log else "") + "%{z:.4g}<extra></extra>",
                row=row,
                col=column,
            )
    fig.update_xaxes(showgrid=False, zeroline=False)
    fig.update_annotations(font={"size": 12})
    fig.update_yaxes(showgrid=False, zeroline=False)
    fig.update_xaxes(title=called[0], row=len(down))
    fig.update_yaxes(title=called[1], col=1)
    fig.update_layout(template="plotly_white", height=140 + SIDE * len(down), margin={"l": 10, "r": 10, "t": 40, "b": 10})
    return fig


def _at(names: Sequence[str], axes: Sequence[Array], third: int, fourth: int | None) -> str:
    """Where a slice lies."""
    places = [(2, third), *([(3, fourth)] if fourth is not None else [])]
    return ", ".join(f"{names[k]} = {significant_digits.number(float(axes[k][i]), 3)}" for k, i in places)


def _chosen(n: int) -> list[int]:
    return np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(int)).tolist()
