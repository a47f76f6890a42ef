"""A map of many models: who is joined to whom below a threshold, in which basins, and how certain that is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from scipy.spatial import ConvexHull

from explorer.core import significant_digits
from explorer.core.points import Array
from explorer.figures.curve import INK, PALETTE, SYMBOLS
from explorer.stats import units
from explorer.stats.model_map import Rises, basins
from explorer.stats.model_pairs import Pairs
from explorer.stats.spanning_tree import spanning_tree

SCALE = "Cividis"
WIDE = 0.03  # of the picture, that a hull reaches beyond its models
HULL = "rgba(0,114,178,0.10)"
SURE, UNSURE = "#6B7280", "#D55E00"
FEW = 30  # models up to which all measured lines are drawn; of more, those of the spanning tree of the lowest rises
ALONE, LEAST, MORE = 9.0, 6.0, 14.0  # pixels across: a model without a size; one of size 0, and how much larger one of size 1 is
OTHERS = "others"  # groups beyond as many as colours are told apart


def line_number(n: int, i: int, j: int) -> int:
    """What a mark on the line between models i and j of n has as customdata; a model's own is its number."""
    return n * (i + 1) + j


def ends_of(number: int, n: int) -> tuple[int, ...]:
    """The model, or the two at the ends of a line, that a mark's customdata names."""
    return (number,) if number < n else (number // n - 1, number % n)


def figure(
    places: Array,
    known: Rises,
    names: Sequence[str],
    *,
    threshold: float,
    unit: str,
    colours: Sequence[float] | None = None,
    colour_title: str = "loss",
    groups: Sequence[str] | None = None,
    sizes: Array | Sequence[float] | None = None,
    said: Sequence[str] | None = None,
    picked: Sequence[int] = (),
) -> go.Figure:
    """(n, 2) places, and the measured lines that rise by no more than the threshold: grey where that is certain, dashed orange where the interval reaches above it.
    Of many models only the lines of the spanning tree. A hull for each basin of two models and more. colours: a number of each model; groups: instead, what each belongs to;
    sizes: (n,) from 0 to 1, such as sharpness; said: more about each, shown where one points; picked: models with a ring."""
    n = len(names)
    if places.shape != (n, 2) or known.value.shape != (n, n):
        raise ValueError(f"Expected {n} places and rises of shape {(n, n)}, got {places.shape} and {known.value.shape}.")
    labels = [escape(name, quote=False) for name in names]
    fig = go.Figure()
    sure, _ = basins(known, threshold)
    span = float(np.ptp(places, axis=0).max()) or 1.0
    joined = [places[np.flatnonzero(np.equal(sure, number))] for number in sorted(set(sure)) if sure.count(number) > 1]
    _hulls(fig, [_hull(each, span) for each in joined])
    _lines(fig, places, known, labels, threshold, unit)
    hover = [f"{label}<br>{escape(more, quote=False)}" if more else label for label, more in zip(labels, said or [""] * n, strict=True)]
    size = np.full(n, ALONE) if sizes is None else LEAST + MORE * np.asarray(sizes, dtype=np.float64)
    if groups is not None:
        _groups(fig, places, groups, size, hover)
    else:
        marker: dict[str, object] = {"color": PALETTE[0]}
        if colours is not None:
            bar = {"title": {"text": escape(colour_title, quote=False)}, "thickness": 14}
            marker = {"color": list(colours), "colorscale": SCALE, "showscale": True, "colorbar": bar}
        _models(fig, places, np.arange(n), size, hover, marker)
    if len(picked):
        ring = {"size": (size[list(picked)] + 8).tolist(), "color": INK, "symbol": "circle-open", "line": {"width": 2}}
        fig.add_scatter(x=places[list(picked), 0], y=places[list(picked), 1], mode="markers", marker=ring, hoverinfo="skip", name="picked")
    count = len(set(sure))
    title = f"{count} {'basin' if count == 1 else 'basins'} of {n} models joined by lines<br>that rise by at most {threshold:.3g}{units.after(unit)}"
    fig.update_layout(
        template="plotly_white",
        title={"text": title, "font": {"size": 15}},
        font={"color": INK},
        height=560,
        margin={"l": 20, "r": 20, "t": 60, "b": 20},
        legend={"orientation": "h", "y": 0, "yanchor": "top"},
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
    )
    return fig


def _models(fig: go.Figure, places: Array, of: Pairs, size: Array, hover: Sequence[str], marker: dict[str, object], name: str | None = None) -> None:
    """Some of the models as marks: `of` are their numbers. Those that are not picked stay as they are."""
    fig.add_scatter(
        x=places[of, 0],
        y=places[of, 1],
        mode="markers",
        marker={"opacity": 1, "line": {"color": "white", "width": 1}, **marker, "size": size[of].tolist()},
        unselected={"marker": {"opacity": 1}},
        customdata=of.tolist(),
        hovertext=[hover[int(k)] for k in of],
        hoverinfo="text",
        name=name,
        showlegend=name is not None,
    )


def _groups(fig: go.Figure, places: Array, groups: Sequence[str], size: Array, hover: Sequence[str]) -> None:
    """The models of each group in a colour and a shape of their own, the largest group first; those beyond the colours together."""
    counted = sorted(set(groups), key=lambda g: (-groups.count(g), g))
    own = counted if len(counted) <= len(PALETTE) else counted[: len(PALETTE) - 1]
    for k, group in enumerate(own):
        of = np.flatnonzero([g == group for g in groups])
        marker: dict[str, object] = {"color": PALETTE[k], "symbol": SYMBOLS[k % len(SYMBOLS)]}
        _models(fig, places, of, size, hover, marker, f"{escape(group, quote=False)} ({len(of)})")
    if len(own) < len(counted):
        of = np.flatnonzero([g not in own for g in groups])
        _models(fig, places, of, size, hover, {"color": SURE, "symbol": "x"}, f"{OTHERS} ({len(of)})")


def _lines(fig: go.Figure, places: Array, known: Rises, labels: Sequence[str], threshold: float, unit: str) -> None:
    """The lines, and a mark in the middle of each that can be pointed at."""
    n = len(labels)
    rows, columns = np.triu_indices(n, 1)
    every = zip(rows.tolist(), columns.tolist(), strict=True) if n <= FEW else [(e.i, e.j) for e in spanning_tree(known.value)]
    lines = [e for e in every if known.low[e] <= threshold]
    for certain in (True, False):
        mine = [e for e in lines if (known.high[e] <= threshold) == certain]
        if not mine:
            continue
        x, y = (np.array([(places[i, axis], places[j, axis], np.nan) for i, j in mine]).ravel() for axis in range(2))
        colour = SURE if certain else UNSURE
        line = {"color": colour, "width": 1, "dash": "solid" if certain else "dot"}
        name = "below the threshold" if certain else "may be below"
        fig.add_scatter(x=x, y=y, mode="lines", line=line, opacity=0.6, hoverinfo="skip", name=name)
        middle = places[np.array(mine)].mean(axis=1)
        fig.add_scatter(
            x=middle[:, 0],
            y=middle[:, 1],
            mode="markers",
            marker={"size": 7, "color": colour, "symbol": "diamond", "opacity": 0.7},
            unselected={"marker": {"opacity": 0.7}},
            customdata=[line_number(n, i, j) for i, j in mine],
            hovertext=[
                f"{labels[i]} – {labels[j]}<br>"
                + significant_digits.within(*(float(part[i, j]) for part in (known.value, known.low, known.high)), unit=unit)
                for i, j in mine
            ],
            hoverinfo="text",
            showlegend=False,
        )


def _hulls(fig: go.Figure, hulls: Sequence[Array]) -> None:
    """All of them as one trace, with a gap after each."""
    if hulls:
        x, y = np.vstack([np.vstack([hull, [[np.nan, np.nan]]]) for hull in hulls])[:-1].T
        fig.add_scatter(x=x, y=y, mode="lines", fill="toself", fillcolor=HULL, line={"color": HULL, "width": 1}, hoverinfo="skip", showlegend=False)


def _hull(places: Array, span: float) -> Array:
    """(C, 2) corners of the convex hull of some places, closed, and wider by a part of the picture; two places have one around the line between them."""
    t = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    around = (places[:, None] + WIDE * span * np.stack([np.cos(t), np.sin(t)], axis=1)).reshape(-1, 2)
    corners = around[ConvexHull(around).vertices]
    return np.vstack([corners, corners[:1]])
