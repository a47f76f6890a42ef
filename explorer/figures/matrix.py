"""A symmetric table of numbers between named models, as a heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb

from explorer.core.points import Array

MOST_TEXTS = 14
HIGHEST = 600  # px
MOST_SEAMS = 60  # models up to which there is a line between cells


def figure(
    values: Array, names: Sequence[str], *, title: str, signed: bool = False, top: float | None = None, figures: int = 3, least: int = 300
) -> go.Figure:
    """(n, n) values[i, j] between model i (row) and model j (column); NaN is a gap. signed: colours centred at zero, from −1 to 1.

    top: the value with the highest colour, so that two pictures can have one scale. figures: significant ones, of the numbers in the cells. least: its height
    in px where there are few models. More models than there is room for numbers in the cells are named on the axes as far as there is room, all of them
    under the pointer.
    """
    if values.shape != (len(names), len(names)):
        raise ValueError(f"Expected values of shape {(len(names), len(names))}, got {values.shape}.")
    labels = [escape(n, quote=False) for n in names]
    written = len(names) <= MOST_TEXTS
    at = np.arange(len(names)).tolist() if written else _distinct(labels)
    if top is None:
        top = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    fig = go.Figure(
        go.Heatmap(
            x=at,
            y=at,
            z=values.astype(np.float32),
            showscale=not written,
            colorbar={"thickness": 14, "lenmode": "pixels", "len": 200, "y": 1, "yanchor": "top"},  # beside the map, which is on top however narrow
            hoverongaps=False,
            hovertemplate="%{y} – %{x}: %{z:.4g}<extra></extra>",
            colorscale="RdBu" if signed else "Cividis",
            reversescale=signed,
            zmin=-1 if signed else 0,
            zmax=1 if signed else top or 1.0,
            xgap=int(len(names) <= MOST_SEAMS),
            ygap=int(len(names) <= MOST_SEAMS),
        )
    )
    ticks: dict[str, object] = {
        **({"tickvals": at, "ticktext": labels} if written else {"type": "category"}),
        "showgrid": False,
        "zeroline": False,
        "constrain": "domain",
        "automargin": True,
    }
    fig.update_layout(
        title={"text": escape(title, quote=False), "font": {"size": 15}},
        height=max(least, min(HIGHEST, 140 + 32 * len(names))),
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
    )
    if written:
        _write(
            fig,
            values,
            "RdBu_r" if signed else "Cividis",
            *((-1.0, 1.0) if signed else (0.0, top or 1.0)),
            "{:.2f}" if signed else f"{{:.{figures}g}}",
        )
    fig.update_xaxes({**ticks, "constraintoward": "left"})
    fig.update_yaxes({**ticks, "autorange": "reversed", "scaleanchor": "x", "constraintoward": "top"})
    return fig


def grid(values: Array, rows: Sequence[str], columns: Sequence[str], *, title: str) -> go.Figure:
    """(r, c) differences, colours centred at zero; NaN is a gap."""
    if values.shape != (len(rows), len(columns)):
        raise ValueError(f"Expected values of shape {(len(rows), len(columns))}, got {values.shape}.")
    top = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    fig = go.Figure(
        go.Heatmap(
            x=[escape(c, quote=False) for c in columns],
            y=np.arange(len(rows)),
            z=values.astype(np.float32),
            showscale=len(columns) > MOST_TEXTS,
            hovertemplate="%{x}: %{z:+.3g}<extra></extra>",
            colorscale="RdBu",
            zmin=-top or -1.0,
            zmax=top or 1.0,
            xgap=1,
            ygap=1,
        )
    )
    if len(columns) <= MOST_TEXTS:
        _write(fig, values, "RdBu", -top or -1.0, top or 1.0, "{:+.1f}", nought="0")
    height = max(260, min(640, 130 + 30 * len(rows)))
    fig.update_layout(title={"text": escape(title, quote=False), "font": {"size": 15}}, height=height, margin={"l": 10, "r": 10, "t": 50, "b": 10})
    fig.update_xaxes(type="category")
    fig.update_yaxes(tickvals=np.arange(len(rows)).tolist(), ticktext=[escape(r, quote=False) for r in rows], autorange="reversed", automargin=True)
    return fig


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, those that occur again with their number: an axis of names has one place for each."""
    seen: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _write(fig: go.Figure, values: Array, scale: str, low: float, high: float, form: str, nought: str = "") -> None:
    """The numbers into their cells, black or white, whichever can be read on the cell's colour: one of the two always has 4.5:1."""
    shares = np.clip((np.nan_to_num(values, nan=low) - low) / (high - low), 0.0, 1.0)
    colours = sample_colorscale(get_colorscale(scale), shares.ravel().tolist())
    for (row, column), colour in zip(np.ndindex(values.shape), colours, strict=True):
        if np.isfinite(values[row, column]):
            ink = "#000000" if _luminance(str(colour)) > 0.179 else "#ffffff"
            text = (nought or form.format(0.0)) if not values[row, column] else form.format(values[row, column]).replace("-", "−")
            fig.add_annotation(x=column, y=row, text=text, showarrow=False, font={"color": ink, "size": 12})


def _luminance(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    parts = np.array(unlabel_rgb(colour)) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
