"""What a measured plane shows: its cross-sections, its picture in three dimensions, and its story in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from explorer.core import significant_digits
from explorer.core.markdown import plain
from explorer.core.points import Array
from explorer.figures.curve import INK, Curve
from explorer.figures.plane import SCALE, Extreme, Marker, Surface, Trace, axis_titles
from explorer.stats import units
from explorer.stats.metrics import Metric

WALL = {"showbackground": False, "gridcolor": "rgba(128,128,128,0.4)"}  # of a relief: seen on light and on dark pages


def sections(grid: Surface, x: float, y: float) -> tuple[Curve, Curve]:
    """The row and the column of cells that run through a place: values against the distance to the right, and against the distance upwards."""
    row, column = int(np.abs(grid.y - y).argmin()), int(np.abs(grid.x - x).argmin())
    across, up = np.isfinite(grid.z[row]) | grid.lost[row], np.isfinite(grid.z[:, column]) | grid.lost[:, column]
    return (
        Curve(f"to the right, at height {_place(grid.y, float(grid.y[row]))}", grid.x[across], grid.z[row, across]),
        Curve(f"upwards, at {_place(grid.x, float(grid.x[column]))} to the right", grid.y[up], grid.z[up, column]),
    )


def height(grid: Surface, x: Array, y: Array) -> Array:
    """The surface at places inside the grid, straight between measured cells; NaN where one of the four around is not known."""
    i = np.clip(np.searchsorted(grid.x, x) - 1, 0, len(grid.x) - 2)
    j = np.clip(np.searchsorted(grid.y, y) - 1, 0, len(grid.y) - 2)
    u = (x - grid.x[i]) / (grid.x[i + 1] - grid.x[i])
    v = (y - grid.y[j]) / (grid.y[j + 1] - grid.y[j])
    lower = (1 - u) * grid.z[j, i] + u * grid.z[j, i + 1]
    upper = (1 - u) * grid.z[j + 1, i] + u * grid.z[j + 1, i + 1]
    return np.where((u >= 0) & (u <= 1) & (v >= 0) & (v <= 1), (1 - v) * lower + v * upper, np.nan)


def relief(
    grid: Surface,
    markers: Sequence[Marker],
    traces: Sequence[Trace],
    *,
    z_title: str,
    log: bool,
    span: tuple[float, float] | None = None,
    scale: str = SCALE,
) -> go.Figure:
    """The plane as a surface to turn around. Models and paths stand on it; where it is not measured it has holes.

    span: the values with the lowest and the highest colour, and the ends of the axis upwards, for planes that are compared.
    """
    z = np.where(grid.z > 0, grid.z, np.nan) if log else grid.z
    ends = None if span is None else np.log10(span).tolist() if log else list(span)
    fig = go.Figure(
        go.Surface(
            x=grid.x,
            y=grid.y,
            z=z,
            surfacecolor=np.log10(z) if log else z,
            colorscale=scale,
            cmin=ends[0] if ends else None,
            cmax=ends[1] if ends else None,
            showscale=False,
            hovertemplate="(%{x:.4g}, %{y:.4g})<br>" + escape(z_title, quote=False) + " %{z:.4g}<extra></extra>",
        )
    )
    for trace in traces:
        fig.add_scatter3d(
            x=trace.x,
            y=trace.y,
            z=height(grid, trace.x, trace.y),
            mode="lines",
            line={"color": trace.colour, "width": 6},
            name=escape(trace.name, quote=False),
        )
    if markers:
        x, y = np.array([m.x for m in markers]), np.array([m.y for m in markers])
        fig.add_scatter3d(
            x=x,
            y=y,
            z=height(grid, x, y),
            mode="markers+text",
            text=[escape(m.name, quote=False) for m in markers],
            marker={"size": 5, "color": "white", "line": {"color": INK, "width": 2}},
            hoverinfo="text",
            showlegend=False,
        )
    titles = [escape(t, quote=False) for t in axis_titles(markers)]
    fig.update_layout(
        template="plotly_white",
        margin={"l": 0, "r": 0, "t": 10, "b": 0},
        height=560,
        legend={"orientation": "h", "y": 1.02},
        scene={
            "xaxis": WALL | {"title": titles[0]},
            "yaxis": WALL | {"title": titles[1]},
            "zaxis": WALL | {"title": escape(z_title, quote=False), "type": "log" if log else "linear", "range": ends},
            "aspectmode": "manual",
            "aspectratio": {"x": 1, "y": float(np.ptp(grid.y) / np.ptp(grid.x)), "z": 0.6},
        },
    )
    return fig


def explain(
    grid: Surface,
    markers: Sequence[Marker],
    *,
    metric: Metric,
    unit: str,
    around: bool,
    dimensions: int,
    interval: Callable[[int, int], tuple[float, float]] | None = None,
    extremes: tuple[Extreme, Extreme] | None = None,
    chosen: str = "",
    caution: str = "",
) -> str:
    """The picture in words, from its numbers: where it is best and worst, what lies between the models, and what it cannot show.

    interval: the 95 % interval of the value of column i, row j. extremes: the lowest and the highest value, where they are better known than from the
    cells; chosen: by what. caution: of a preview, what must be known of it; then nothing is read off its cells.
    """
    known = np.isfinite(grid.z)
    if not known.any():
        return "Nothing is measured yet."
    if caution and extremes is None:
        return caution
    sign, one, other = (-1.0, "highest", "lowest") if metric.good == "high" else (1.0, "lowest", "highest")

    def formatted(there: Extreme, mark: str = "") -> str:
        value, low, high = (
            significant_digits.formatted(there.value, *there.interval)
            if there.interval is not None
            else (significant_digits.number(there.value), "", "")
        )
        return f"{mark}{value}{units.after(unit)}{mark}{low and f' [{low}, {high}]'}"

    if extremes is None:
        places = [divmod(int(find(grid.z)), len(grid.x)) for find in (np.nanargmin, np.nanargmax)]
        low, high = (Extreme(float(grid.z[j, i]), float(grid.x[i]), float(grid.y[j]), interval(i, j) if interval else None) for j, i in places)
    else:
        low, high = extremes
    best, worst = (low, high) if sign > 0 else (high, low)
    lowest = f"The {one} measured {metric.called} is {formatted(best, '**')} at ({_place(grid.x, best.x)}, {_place(grid.y, best.y)}), the {other} {formatted(worst)}."
    at = [(m, float(height(grid, np.array([m.x]), np.array([m.y]))[0])) for m in markers if m.outside <= 1e-6 * np.ptp(grid.x)]
    at = [(m, value) for m, value in at if np.isfinite(value)]
    nearest = min(at, key=lambda pair: np.hypot(pair[0].x - best.x, pair[0].y - best.y), default=None)
    if nearest is not None:
        far = float(np.hypot(nearest[0].x - best.x, nearest[0].y - best.y))
        step = float(grid.x[1] - grid.x[0])
        where = (
            f"in the cell of {plain(nearest[0].name)}" if far <= step else f"{far:.3g} away from {plain(nearest[0].name)}, the nearest of the models"
        )
        lowest += f" The {one} point lies {where}."
    lowest += chosen and f" {chosen}"
    between: list[str] = []
    for k, (a, _) in enumerate(at):
        for b, _ in at[k + 1 :]:
            t = np.linspace(0, 1, 65)
            line = sign * height(grid, a.x + t * (b.x - a.x), a.y + t * (b.y - a.y))
            if np.isfinite(line).all():
                rise = float((line - ((1 - t) * line[0] + t * line[-1])).max())
                between.append(f"{plain(a.name)} and {plain(b.name)} {max(rise, 0.0):.2g}")
    what = "rise above" if sign > 0 else "fall below"
    gap = "points" if metric.percent else unit
    ridges = (
        f" Read off the cells, the {what} the straight line is{f', in {gap}' if gap else ''}: {'; '.join(between)}."
        if between and not around and metric.good and not caution
        else ""
    )
    lost = f" In {int(grid.lost.sum())} cells the {metric.called} is not finite." if grid.lost.any() else ""
    limits = (
        f"This is one plane in a space of {dimensions:,} dimensions, with values taken at the middle of each cell. "
        + (
            "Another pair of directions shows another picture; a minimum here is a minimum along these two directions only."
            if around
            else "Two valleys that look apart here may be joined through other dimensions: whether two models are connected is shown by a path, not by a plane."
        )
        + " Barriers with intervals are measured on the line between two models."
    )
    return f"{caution + chr(10) * 2 if caution else ''}{lowest}{ridges}{lost}\n\n{limits}"


def _place(axis: Array, at: float) -> str:
    """A place along an axis, to a tenth of a cell."""
    half = (axis[1] - axis[0]) / 2
    return significant_digits.formatted(at, float(at - half), float(at + half))[0]
