"""A plane through weight space: measured values on a grid, and the models and paths in it, at true distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from textwrap import wrap
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from explorer.core.points import Array, Points
from explorer.core.spec import Field
from explorer.figures import ticks as marks
from explorer.figures.curve import DASHES, INK, SYMBOLS
from explorer.figures.heading import heading, lines
from explorer.stats import units
from explorer.stats.metrics import column, find, given, interval, means, short, value
from explorer.stats.plane_frame import Window
from explorer.stats.preview_confirmation import Confirmed, is_preview
from explorer.stats.sparse_grid_surrogate import Certificate, Mask, preview

PLOT = 440  # px that the axes are high
LEVELS = 9  # of contours and of the scale of colours, about
DECADES = 4  # of a logarithmic scale, from the highest value downwards
LINE = ("rgba(255,255,255,0.6)", "rgba(0,0,0,0.55)")  # of contours, on dark and on bright colours
SCALES = ("Cividis", "Viridis")  # perceptually uniform; the second is livelier
SCALE = SCALES[0]  # light is high; the same to all common kinds of colour vision


class Extreme(NamedTuple):
    """A value, its place in distances, and its 95 % interval where that is known."""

    value: float
    x: float
    y: float
    interval: tuple[float, float] | None = None


class Marker(NamedTuple):
    """A model in the plane, or its projection when it lies `outside` of it by that distance."""

    name: str
    x: float
    y: float
    outside: float = 0.0


@dataclass(frozen=True, eq=False)
class Trace:
    """A path drawn in the plane: (K,) places x, y, and s, the path's own coordinate there, rising."""

    name: str
    colour: str
    s: Array
    x: Array
    y: Array


@dataclass(frozen=True, eq=False)
class Surface:
    """(nx,) and (ny,) distances, (ny, nx) values: NaN where nothing is measured yet; `lost`: (ny, nx) whether it was measured and is no finite number.

    guess: (ny, nx) which of the values are no measurements, but predicted between such. None: not one.
    """

    x: Array
    y: Array
    z: Array
    lost: Mask
    guess: Mask | None = None

    @property
    def measured(self) -> int:
        """How many cells are known."""
        known = np.isfinite(self.z) | self.lost
        return int((known if self.guess is None else known & ~self.guess).sum())


def surface(points: Points, metric: int, window: Window, size: int, *, scale: float = 1.0) -> Surface:
    """The points of a size × size grid over the window; others are left out."""
    axis = np.linspace(0.0, 1.0, size)
    z, lost = np.full((size, size), np.nan), np.zeros((size, size), dtype=bool)
    if len(points):
        place = points.coords * (size - 1)
        cell = np.rint(place).astype(int)
        on_grid = (np.abs(place - cell) < 1e-6).all(axis=1) & (cell >= 0).all(axis=1) & (cell < size).all(axis=1)
        mean = points.means()[:, metric] * scale
        z[cell[on_grid, 1], cell[on_grid, 0]] = np.where(np.isfinite(mean), mean, np.nan)[on_grid]
        lost[cell[on_grid, 1], cell[on_grid, 0]] = ~np.isfinite(mean)[on_grid]
    x, y = window.places(np.stack([axis, axis], axis=1)).T
    return Surface(x, y, z, lost)


def extremes(field: Field, points: Points, metric: str, window: Window) -> tuple[Extreme, Extreme] | None:
    """The lowest and the highest value of a metric as it is shown (explorer.stats.metrics); None where none is finite."""
    shown = means(points, field.metrics, metric) * units.scale(metric) if len(points) else np.empty(0)
    if not np.isfinite(shown).any():
        return None
    shown = np.where(np.isfinite(shown), shown, np.nan)
    places, (lows, highs) = window.places(points.coords), interval(points, field.metrics, metric)

    def at(k: int) -> Extreme:
        ends = float(lows[k]) * units.scale(metric), float(highs[k]) * units.scale(metric)
        return Extreme(float(shown[k]), float(places[k, 0]), float(places[k, 1]), ends)

    return at(int(np.nanargmin(shown))), at(int(np.nanargmax(shown)))


def table(field: Field, points: Points, window: Window, again: Confirmed | None = None) -> dict[str, Array | list[str]]:
    """The measured numbers by column, for a file: distances x and y, the coordinates u and v, and each metric; of a preview also the precision of a row."""
    parts = [(field.precision, points), *([("float32", again.points)] if again is not None else [])]
    coords = np.concatenate([p.coords for _, p in parts])
    x, y = window.places(coords).T
    columns: dict[str, Array | list[str]] = {"x": x, "y": y, "u": coords[:, 0], "v": coords[:, 1]}
    columns |= {short(m): np.concatenate([means(p, field.metrics, m) for _, p in parts]) for m in given(field)}
    return {**columns, "precision": [name for name, p in parts for _ in range(len(p))]} if is_preview(field) else columns


def smooth(
    points: Points, metric: int, window: Window, size: int, *, scale: float = 1.0, relative: bool = True
) -> tuple[Surface, Certificate | None]:
    """A preview on size × size nodes, and how wrong it may be: explorer.stats.sparse_grid_surrogate. `relative`: on the logarithm, for a loss. Where it says nothing it is lost."""
    found = preview(points, size, metric=metric, relative=relative)
    axis = np.linspace(0.0, 1.0, size)
    x, y = window.places(np.stack([axis, axis], axis=1)).T
    z, measured = scale * found.values.T, found.measured.T
    begun = bool(np.isfinite(z[~measured]).any()) or bool(measured.all())
    return Surface(x, y, z, np.isnan(z) & (measured | begun), ~measured), found.certificate


def cells(points: Points, measured: Sequence[str], metric: str, window: Window, size: int) -> Surface:
    """The grid of one metric as it is shown (explorer.stats.metrics), `measured` being what the points hold sums of."""
    return _shown(surface(column(points, measured, metric), 0, window, size, scale=units.scale(metric)), metric)


def previewed(points: Points, measured: Sequence[str], metric: str, window: Window, size: int) -> tuple[Surface, Certificate | None]:
    """The preview of one metric as it is shown, and its certificate. A spline of the loss is one of the logarithm of its exponential."""
    drawn, certificate = smooth(column(points, measured, metric), 0, window, size, scale=units.scale(metric), relative=metric == "loss")
    if certificate is not None and find(metric).exponential:
        certificate = replace(certificate, relative=True)
    return _shown(drawn, metric), certificate


def _shown(grid: Surface, metric: str) -> Surface:
    z = value(metric, grid.z)
    return replace(grid, z=np.where(np.isinf(z), np.nan, z), lost=grid.lost | np.isinf(z))


def axis_titles(markers: Sequence[Marker]) -> tuple[str, str]:
    """What the distances along the two axes are: towards which of the models these lead."""
    if len(markers) < 2:
        of = f" from {_brief(markers[0].name)}" if markers else ""
        return f"distance{of}, first direction", f"distance{of}, second direction"
    places = np.array([(m.x, m.y) for m in markers])
    level, tolerance = places[:, 1] - places[0, 1], 1e-6 * float(np.ptp(places, axis=0).max())
    right = [m for m, up, x in zip(markers, level, places[:, 0], strict=True) if abs(up) <= tolerance < x - places[0, 0]]
    top = markers[int(level.argmax())] if level.max() > tolerance else None
    return (
        f"distance from {_brief(markers[0].name)} towards {_brief(right[-1].name)}" if right else "distance, first axis",
        f"distance at right angles, towards {_brief(top.name)}" if top and right else "distance, second axis",
    )


def _brief(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"


def decades(z: Array) -> dict[str, object]:
    """Ticks of a scale of colours whose values are decimal logarithms, as they are before these are taken."""
    if not np.isfinite(z).any():
        return {}
    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    values = [m * 10.0**e for e in range(int(np.floor(low)), int(np.ceil(high)) + 1) for m in (1, 2, 5) if low <= np.log10(m * 10.0**e) <= high]
    return {"tickvals": [float(np.log10(v)) for v in values], "ticktext": [f"{v:g}" for v in values]}


def span(z: Array, log: bool) -> tuple[float, float]:
    """The values with the lowest and the highest colour, as `frontend/plane.js` has them: of a logarithm at most DECADES, what is lower has the lowest."""
    known = z[np.isfinite(z)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if log:
        low, high = (max(low, high / 10**DECADES), high) if high > 0 else (0.1, 1.0)
    return (low, high) if low < high else (low - abs(low or 1) / 2, high + abs(high or 1) / 2)


def _dots(fig: go.Figure, grid: Surface, where: Mask, name: str, marker: dict[str, object]) -> None:
    """Marks in the middles of cells."""
    row, column = np.nonzero(where)
    fig.add_scatter(x=grid.x[column], y=grid.y[row], mode="markers", marker=marker, name=name, hoverinfo="skip")


def figure(
    grid: Surface,
    markers: Sequence[Marker],
    traces: Sequence[Trace],
    *,
    z_title: str,
    title: str,
    footnote: str,
    log: bool = False,
    axes: tuple[str, str] | None = None,
    scale: str = SCALE,
    ends: tuple[float, float] | None = None,
) -> go.Figure:
    """The plane as a picture for a report: light, self-explaining, footnote underneath. axes: their titles, where they are no distances in weight space.
    ends: the values with the lowest and the highest colour, for planes that are compared."""
    low, high = span(grid.z if ends is None else np.array(ends), log)
    levels = [
        tick
        for tick in (marks.log_ticks(low, high, LEVELS) if log else marks.ticks(low, high, marks.nice_step((high - low) / LEVELS)))
        if low <= tick.at <= high
    ]
    z = np.log10(np.where(np.isnan(grid.z), np.nan, np.maximum(grid.z, low))) if log else grid.z
    first, last = (float(np.log10(low)), float(np.log10(high))) if log else (low, high)
    places = [float(np.log10(level.at)) if log else level.at for level in levels]
    below = bool((grid.z[np.isfinite(grid.z)] < low).any())
    bar = {
        "title": {"text": escape(z_title + (f"; {marks.short(low)} or less has one colour" if below else ""), quote=False)},
        "tickvals": places,
        "ticktext": [level.text for level in levels],
    }
    fig = go.Figure(
        go.Heatmap(
            x=grid.x,
            y=grid.y,
            z=z.astype(np.float32),
            zmin=first,
            zmax=last,
            zsmooth=None if grid.guess is None else "best",
            customdata=grid.z,
            colorscale=scale,
            colorbar=bar,
            hovertemplate="(%{x:.4g}, %{y:.4g})<br>" + escape(z_title, quote=False) + " %{customdata:.4g}<extra></extra>",
        )
    )
    if (np.isfinite(grid.z) | grid.lost).all():
        for level, place in zip(levels, places, strict=True):
            bright = (place - first) / (last - first) > 0.55
            fig.add_contour(
                x=grid.x,
                y=grid.y,
                z=z,
                name=level.text,
                contours={
                    "coloring": "none",
                    "showlabels": not log,
                    "labelfont": {"size": 11, "color": LINE[bright]},
                    "start": place,
                    "end": place,
                    "size": 1.0,
                },
                line={"color": LINE[bright], "width": 1},
                showscale=False,
                showlegend=False,
                hoverinfo="skip",
            )
    dotted: list[str] = []
    if grid.guess is not None and grid.measured < grid.z.size:
        dotted.append("measured")
        _dots(fig, grid, np.isfinite(grid.z) & ~grid.guess, "measured", {"size": 2, "color": "rgba(0,0,0,0.45)"})
    if grid.lost.any():
        dotted.append("diverged")
        _dots(fig, grid, grid.lost, "diverged", {"size": 7, "color": "#808495", "symbol": "x-thin", "line": {"color": "#808495", "width": 1.5}})
    for i, trace in enumerate(traces):
        fig.add_scatter(x=trace.x, y=trace.y, mode="lines", line={"color": "white", "width": 6}, hoverinfo="skip", showlegend=False)
        fig.add_scatter(
            x=trace.x, y=trace.y, mode="lines", line={"color": trace.colour, "width": 3, "dash": DASHES[i % len(DASHES)]}, name=lines(trace.name)
        )
    if markers:
        fig.add_scatter(
            x=[m.x for m in markers],
            y=[m.y for m in markers],
            mode="markers+text",
            text=[escape(m.name, quote=False) for m in markers],
            textposition="top center",
            marker={
                "size": 11,
                "color": "white",
                "line": {"color": INK, "width": 2},
                "symbol": [SYMBOLS[i % len(SYMBOLS)] for i in range(len(markers))],
            },
            customdata=[m.outside for m in markers],
            hovertemplate="%{text}<br>%{customdata:.4g} outside of this plane<extra></extra>",
            showlegend=False,
        )
    note, titles = wrap(footnote, 95), [escape(t, quote=False) for t in axes or axis_titles(markers)]
    fig.update_layout(
        template="plotly_white",
        font={"size": 14, "color": INK, "family": "system-ui, sans-serif"},
        margin={"l": 70, "r": 30},
        xaxis={"title": titles[0], "constrain": "domain", "zeroline": False},
        yaxis={"title": titles[1], "scaleanchor": "x", "constrain": "domain", "zeroline": False},
    )
    listed = [trace.name for trace in traces] + dotted
    fig.update_layout(heading(title, listed, tall=PLOT, below=80 + 19 * len(note)), showlegend=bool(listed))
    fig.add_annotation(
        text="<br>".join(escape(n, quote=False) for n in note),
        x=0,
        y=0,
        xref="paper",
        yref="paper",
        yshift=-60,
        yanchor="top",
        align="left",
        showarrow=False,
    )
    return fig
