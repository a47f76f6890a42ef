"""Models on several tasks: what is left of each task's own model, the trade-off between the worst and the mean of them, and one plane under every task."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.core.points import Array
from explorer.figures.curve import INK, PALETTE, RULE
from explorer.stats.multi_task import TaskTable


def front(names: Sequence[str], merit: Array, on_front: Sequence[int], *, x_title: str, y_title: str) -> go.Figure:
    """merit: (models, tasks), higher is better. x: the worst task, y: the mean over tasks. What nothing beats on every task at once is filled and named."""
    fig = go.Figure()
    worst, mean = merit.min(axis=1), merit.mean(axis=1)
    shown = [escape(name, quote=False) for name in names]
    for chosen, label, symbol, colour in ((False, "another is as good on every task", "x", PALETTE[0]), (True, "on the front", "circle", INK)):
        rows = [k for k in range(len(names)) if (k in on_front) == chosen and np.isfinite(worst[k])]
        fig.add_scatter(
            x=worst[rows],
            y=mean[rows],
            mode="markers+text" if chosen else "markers",
            name=label,
            text=[shown[k] for k in rows],
            textposition="top center",
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate="%{text}: %{y:.4g} on average, %{x:.4g} at worst<extra></extra>",
        )
    fig.update_xaxes(title_text=escape(x_title, quote=False), gridcolor=RULE)
    fig.update_yaxes(title_text=escape(y_title, quote=False), gridcolor=RULE)
    return fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"l": 10, "r": 10, "t": 40, "b": 50})


def trade_off(found: TaskTable) -> go.Figure:
    """The front of a table: what is left of the tasks' own models in percent, or how much lower than theirs the loss is."""
    title = "of the task's own model (%)" if found.counted else "own model's loss minus the model's"
    merit = found.merit() * (100 if found.counted else 1)
    return front(found.models, merit, found.front(), x_title=f"worst task: {title}", y_title=f"mean over tasks: {title}")


def planes(tasks: Sequence[str], x: Array, y: Array, z: Sequence[Array], markers: Sequence[tuple[str, float, float]], *, z_title: str) -> go.Figure:
    """The same plane under every task. x: (columns,), y: (rows,), z: (rows, columns) for each task; one colour scale for all. markers: (name, x, y) of models."""
    fig = make_subplots(rows=1, cols=len(tasks), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=[escape(t, quote=False) for t in tasks])
    finite = np.concatenate([v[np.isfinite(v)] for v in z]) if z else np.empty(0)
    low, high = (float(finite.min()), float(np.quantile(finite, 0.95))) if finite.size else (0.0, 1.0)
    for column, values in enumerate(z, start=1):
        last = column == len(z)
        fig.add_heatmap(
            x=x,
            y=y,
            z=values.astype(np.float32),
            zmin=low,
            zmax=high,
            colorscale="Cividis",
            showscale=last,
            colorbar={"title": {"text": escape(z_title, quote=False)}, "thickness": 14} if last else None,
            hovertemplate="%{z:.4g}<extra></extra>",
            row=1,
            col=column,
        )
        fig.add_scatter(
            x=[at for _, at, _ in markers],
            y=[at for _, _, at in markers],
            mode="markers+text",
            text=[escape(name, quote=False) for name, _, _ in markers],
            textposition="top center",
            textfont={"color": "white"},
            marker={"color": "white", "symbol": "circle", "size": 7, "line": {"color": INK, "width": 1}},
            showlegend=False,
            hoverinfo="skip",
            row=1,
            col=column,
        )
    return fig.update_layout(height=380, margin={"l": 10, "r": 10, "t": 40, "b": 40})
