"""A search over merges: every candidate by its value and by how far it is from the first model, with the front of the two; and the best so far as it went on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from explorer.core import significant_digits
from explorer.core.points import Array
from explorer.figures.curve import INK, PALETTE, RULE
from explorer.stats.search_optimism import front

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "hexagon", "star")
SHOWN = 60  # letters of a candidate's numbers


@dataclass(frozen=True)
class Tried:
    """A candidate: method and numbers in words, its value and size of change; NaN where it diverged."""

    method: str
    numbers: str
    value: float
    moved: float


def candidates(tried: Sequence[Tried], *, y_title: str, base: float | None = None, lower: bool = True, scale: float = 1.0) -> go.Figure:
    """x: ‖θ − θ₀‖ / ‖θ₀‖; y: the value, times `scale`. A colour for each method; the front as a line, which begins at the first model where `base` is its value."""
    fig = go.Figure()
    sign = 1.0 if lower else -1.0
    named = list(dict.fromkeys(t.method for t in tried))
    for i, method in enumerate(named):
        rows = [t for t in tried if t.method == method]
        fig.add_scatter(
            x=[t.moved for t in rows],
            y=[scale * t.value for t in rows],
            mode="markers",
            name=escape(method.replace("_", " "), quote=False),
            marker={"color": PALETTE[i % len(PALETTE)], "size": 8, "opacity": 0.7, "symbol": SYMBOLS[i % len(SYMBOLS)]},  # not by its colour alone
            text=[escape(t.numbers[:SHOWN], quote=False) for t in rows],
            hovertemplate="%{text}<br>%{y:.4g}, change %{x:.3g}<extra>%{fullData.name}</extra>",
        )
    values, sizes = np.array([sign * t.value for t in tried]), np.array([t.moved for t in tried])
    if base is not None:
        values, sizes = np.append(values, sign * base), np.append(sizes, 0.0)
    rows = front(values, sizes)
    if rows:
        x, y = _steps(sizes[rows], sign * scale * values[rows])
        fig.add_scatter(x=x, y=y, mode="lines", name="front", line={"color": INK, "width": 1.5}, hoverinfo="skip")
        best = min(rows, key=lambda k: values[k])
        said = significant_digits.number(sign * scale * float(values[best]))
        fig.add_annotation(
            text=f"<b>best: {said}</b>", x=float(sizes[best]), y=sign * scale * float(values[best]), ay=-28, ax=20, font={"color": INK}
        )
    if base is not None:
        fig.add_scatter(x=[0.0], y=[scale * base], mode="markers", name="first model", marker={"color": INK, "symbol": "x", "size": 9})
    fig.update_xaxes(title_text="size of the change from the first model, ‖θ − θ₀‖ / ‖θ₀‖", gridcolor=RULE)
    fig.update_yaxes(title_text=escape(y_title, quote=False), gridcolor=RULE)
    return fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"l": 10, "r": 10, "t": 40, "b": 50})


def progress(values: Sequence[float], *, y_title: str, lower: bool = True, scale: float = 1.0) -> go.Figure:
    """Each candidate in the order of the search, and the best so far."""
    fig = go.Figure()
    at = np.array(values, dtype=np.float64)
    best = (np.fmin if lower else np.fmax).accumulate(at) if len(at) else at
    number = np.arange(1, len(at) + 1)
    fig.add_scatter(x=number, y=scale * at, mode="markers", name="candidate", marker={"color": PALETTE[0], "size": 6, "opacity": 0.6})
    x, y = _steps(number.astype(np.float64), scale * best)
    fig.add_scatter(x=x, y=y, mode="lines", name="best so far", line={"color": INK, "width": 1.5}, hoverinfo="skip")
    fig.update_xaxes(title_text="candidates tried", gridcolor=RULE)
    fig.update_yaxes(title_text=escape(y_title, quote=False), gridcolor=RULE)
    return fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"l": 10, "r": 10, "t": 40, "b": 50})


def _steps(x: Array, y: Array) -> tuple[Array, Array]:
    """Along each value to the next place, and there to its value."""
    return np.repeat(x, 2)[1:], np.repeat(y, 2)[: max(2 * len(y) - 1, 0)]
