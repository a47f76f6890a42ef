"""The spanning tree of several models: who is joined to whom by the lowest barriers, laid out by their distances."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.colors import get_colorscale, sample_colorscale

from explorer.core.points import Array
from explorer.figures.curve import INK
from explorer.stats import units
from explorer.stats.spanning_tree import Edge

SCALE = "Cividis"
CLOSE = 0.12  # of the picture: models nearer than this have no room between them for a number
WIDTH, HEIGHT = 440, 300  # pixels that the places take of the picture, about
BENDS = (0.0, *(sign * by for by in (0.08, 0.14, 0.2, 0.28, 0.36, 0.5) for sign in (1, -1)))  # of an edge's length, at its middle
SHARES = (0.5, 0.4, 0.6, 0.3, 0.7)  # of an edge, for its number
MOST_NAMED = 24  # models up to which each has its name in the picture
SHADES = 64  # of the scale of colours
FAINT, SEAM = "rgba(128,132,149,0.4)", "#9A9DA8"  # to be seen on white and on black
PAPER = "rgba(255,255,255,0.9)"  # under a text, so that no line runs through it


def layout(distances: Array) -> Array:
    """(n, n) distances → (n, 2) places whose distances come closest to them: classical multidimensional scaling (Torgerson 1952)."""
    n = len(distances)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centring @ distances**2 @ centring / 2)
    order = np.argsort(values)[::-1][:2]
    places = vectors[:, order] * np.sqrt(np.maximum(values[order], 0.0))
    places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    for axis in range(2):  # eigenvectors have no sign of their own
        if places[np.abs(places[:, axis]).argmax(), axis] < 0:
            places[:, axis] *= -1
    return places


def _boxes(at: Array, names: Sequence[str], above: Sequence[bool]) -> Array:
    """(n, 4) left, bottom, right and top of what each model takes of the picture, mark and name, about as it will be drawn."""
    pixel = max(float(np.ptp(at[:, 0])) / WIDTH, float(np.ptp(at[:, 1])) / HEIGHT)
    wide = np.array([max(12.0, 4.5 * len(name)) for name in names])
    low, high = np.where(above, -12.0, -34.0), np.where(above, 34.0, 12.0)
    return np.column_stack([at[:, 0] - pixel * wide, at[:, 1] + pixel * low, at[:, 0] + pixel * wide, at[:, 1] + pixel * high])


def _around(a: Array, b: Array, boxes: Array) -> Array:
    """(K, 2) the way from a to b: straight, or bent as little as keeps it out of the boxes of the other models."""
    t = np.linspace(0, 1, 41)[:, None]
    across = np.array([a[1] - b[1], b[0] - a[0]])

    def bent(by: float) -> Array:
        return (1 - t) * a + t * b + 4 * t * (1 - t) * by * across

    def hidden(way: Array) -> int:
        x, y = way[:, :1], way[:, 1:]
        return int(((boxes[:, 0] < x) & (x < boxes[:, 2]) & (boxes[:, 1] < y) & (y < boxes[:, 3])).sum())

    best = min(BENDS, key=lambda by: (hidden(bent(by)), abs(by)))
    return bent(best) if best else np.stack([a, b])


def _between(way: Array, taken: Sequence[Array]) -> Array:
    """A place on the edge for its number: of a few, the one farthest from what is written already."""
    places = [way[0] + share * (way[1] - way[0]) for share in SHARES] if len(way) == 2 else [way[round(share * (len(way) - 1))] for share in SHARES]
    return max(places, key=lambda p: min(float(np.linalg.norm(p - other)) for other in taken))


def _text(edge: Edge, labels: Sequence[str], unit: str) -> str:
    return f"{labels[edge.i]} – {labels[edge.j]}: {edge.height:.4g}{units.after(unit)}"


def _edges(fig: go.Figure, tree: Sequence[Edge], ways: Sequence[Array], top: float, *, named: bool) -> None:
    """Each edge in the colour of its barrier on a seam; of many, those of one shade in one trace."""
    shares = [min(max(edge.height / top, 0.0), 1.0) for edge in tree]
    together: dict[float, list[Array]] = {}
    for k, (share, way) in enumerate(zip(shares, ways, strict=True)):
        together.setdefault(k if named else round(share * SHADES) / SHADES, []).append(way)
    seam, width = (8, 5) if named else (4, 2.5)
    for key, mine in together.items():
        colour = str(sample_colorscale(get_colorscale(SCALE), [shares[int(key)] if named else key])[0])
        x, y = (np.concatenate([np.append(way[:, axis], np.nan) for way in mine])[:-1] for axis in range(2))
        for stroke in ({"color": SEAM, "width": seam}, {"color": colour, "width": width}):
            fig.add_scatter(x=x, y=y, mode="lines", line=stroke, hoverinfo="skip", showlegend=False)


def _numbers(fig: go.Figure, tree: Sequence[Edge], ways: Sequence[Array], at: Array, close: float, labels: Sequence[str], unit: str) -> None:
    """The barrier of each edge, where there is room."""
    taken = list(at)
    for edge, way in zip(tree, ways, strict=True):
        x, y = place = _between(way, taken)
        taken.append(place)
        fig.add_annotation(
            x=x,
            y=y,
            text=f"{edge.height:.2g}",
            hovertext=_text(edge, labels, unit),
            bgcolor=PAPER,
            font={"color": INK, "size": 12},
            showarrow=False,
            borderpad=1,
            yshift=0 if np.linalg.norm(at[edge.i] - at[edge.j]) > close else -38,  # below the name, where the edge has no room for it
        )


def figure(
    distances: Array, heights: Array, tree: Sequence[Edge], names: Sequence[str], *, unit: str, title: str, top: float | None = None
) -> go.Figure:
    """(n, n) distances for the places, (n, n) barriers for the faint lines, the tree's edges bold with their barriers.

    top: the barrier with the highest colour, so that two pictures can have one scale. Of more models than can be named in the picture: without names, numbers
    and faint lines, which are under the pointer.
    """
    n = len(names)
    named = n <= MOST_NAMED
    if distances.shape != (n, n) or heights.shape != (n, n):
        raise ValueError(f"Expected distances and barriers of shape {(n, n)}, got {distances.shape} and {heights.shape}.")
    labels = [escape(name, quote=False) for name in names]
    known = heights[np.isfinite(heights)]
    top = top or (float(known.max()) if known.size else 0.0) or 1.0
    fig = go.Figure()
    if not np.isfinite(distances).all():
        raise ValueError("Every distance between two models has to be known before they can be placed.")
    at = layout(distances)
    bold = {(e.i, e.j) for e in tree}
    faint = [(i, j) for i in range(n) for j in range(i + 1, n) if (i, j) not in bold and np.isfinite(heights[i, j])]
    if faint and named:
        x, y = ([v for i, j in faint for v in (at[i, axis], at[j, axis], None)] for axis in range(2))
        fig.add_scatter(x=x, y=y, mode="lines", line={"color": FAINT, "width": 1}, hoverinfo="skip", name="other lines")
    close = CLOSE * float(np.ptp(at, axis=0).max())
    above = [bool((np.linalg.norm(at[:k] - at[k], axis=1) < close).any()) for k in range(n)]  # the name of a model close by stands below already
    boxes = _boxes(at, names, above)
    ways = [_around(at[e.i], at[e.j], np.delete(boxes, (e.i, e.j), axis=0)) if named else at[[e.i, e.j]] for e in tree]
    _edges(fig, tree, ways, top, named=named)
    if named:
        _numbers(fig, tree, ways, at, close, labels, unit)
    else:
        middle = np.array([(at[e.i] + at[e.j]) / 2 for e in tree]).reshape(-1, 2)
        texts = [_text(edge, labels, unit) for edge in tree]
        fig.add_scatter(
            x=middle[:, 0], y=middle[:, 1], mode="markers", marker={"size": 9, "opacity": 0}, hovertext=texts, hoverinfo="text", showlegend=False
        )
    fig.add_scatter(
        x=at[:, 0],
        y=at[:, 1],
        mode="markers",
        hovertext=labels,
        marker={"size": 14 if named else 7, "color": "white", "line": {"color": INK, "width": 2 if named else 1}},
        hoverinfo="text",
        showlegend=False,
    )
    for (x, y), label, up in zip(at, labels, above, strict=True) if named else ():
        fig.add_annotation(
            x=x, y=y, text=f"<b>{label}</b>", yshift=19 if up else -19, showarrow=False, bgcolor=PAPER, font={"color": INK}, borderpad=1
        )
    fig.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={
            "color": [0.0, top],
            "colorscale": SCALE,
            "cmin": 0.0,
            "cmax": top,
            "showscale": True,
            "colorbar": {"title": {"text": "barrier"}, "len": 0.8},
        },
        hoverinfo="skip",
        showlegend=False,
    )
    fig.update_layout(
        title={"text": escape(units.titled(title, unit), quote=False), "font": {"size": 15}},
        height=420,
        margin={"l": 30, "r": 30, "t": 50, "b": 30},
        showlegend=False,
        xaxis={"visible": False, "constrain": "domain"},
        yaxis={"visible": False, "scaleanchor": "x", "constrain": "domain"},
    )
    return fig
