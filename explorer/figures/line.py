"""What a measured line between two models shows: its curves, its picture and its table, from a field and its points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go

from explorer.core.points import Array, Points
from explorer.core.spec import Field
from explorer.figures import curve as curve_figure
from explorer.figures.curve import Curve, Peak
from explorer.stats import line_words, units
from explorer.stats.barriers import band
from explorer.stats.line_metrics import barrier_of, falls
from explorer.stats.metrics import find, interval, means, short
from explorer.stats.preview_confirmation import TITLES, Confirmed, exact, is_preview, mark


def quoted(field: Field, points: Points, again: Confirmed | None) -> Points:
    """The points that numbers are taken from: all, or of a preview those that were measured again in float32."""
    return (
        points
        if not is_preview(field)
        else again.points
        if again is not None
        else replace(points, coords=points.coords[:0], values=points.values[:0])
    )


def curve(field: Field, points: Points, metric: str, *, ghost: bool = False, name: str = "", again: Confirmed | None = None) -> Curve:
    """One metric along the line, with its band, its chord and its barrier as far as they are known. Errors are in percent. again: of a preview, what was
    measured in float32; its chord and its barrier are taken from that."""
    a, b = line_words.names(field)
    return curve_of(
        points,
        metric,
        ghost=ghost,
        name=(name or f"{a} → {b}") + mark(field),
        measured=field.metrics,
        unit=units.of_gap(field.problem, metric),
        judged=quoted(field, points, again),
    )


def curve_of(
    points: Points,
    metric: str,
    *,
    name: str,
    ghost: bool = False,
    measured: tuple[str, ...] = ("loss", "error"),
    unit: str = "nat",
    judged: Points | None = None,
) -> Curve:
    """The same of points alone; unit: that of the loss. judged: the points that the barrier is taken from, where those are others."""
    judged = points if judged is None else judged
    points = points.sorted()
    scale = units.scale(metric)
    t = points.coords[:, 0]
    mean = means(points, measured, metric) * scale if len(points) else np.empty(0)
    low, high = (edge * scale for edge in interval(points, measured, metric)) if len(points) else (np.empty(0), np.empty(0))
    found = barrier_of(judged, measured, metric) if len(judged) else None
    peak = None
    if found and not ghost and found.height.value > 0:
        top = found.peak * scale
        chord_there = top + found.measured * scale * (1 if falls(metric) else -1)
        peak = Peak(found.at, chord_there, top, f"barrier {line_words.shown(found, unit=unit)}")
    chord = (found.ends[0] * scale, found.ends[1] * scale) if found and not ghost else None
    return Curve(name, t, mean, low, high, chord=chord, peak=peak, ghost=ghost)


def figure_of(
    field: Field, points: Points, metric: str, *, log: bool = False, again: Confirmed | None = None, beside: Sequence[Curve] = ()
) -> go.Figure:
    """The picture for a report. beside: curves that it is compared with."""
    a, b = line_words.names(field)
    return curve_figure.figure(
        [curve(field, points, metric, again=again), *beside],
        x_title=x_title(field),
        y_title=y_title(field, metric),
        title=f"{a} → {b}: {find(metric).called} along {'the straight line' if field.chart.name == 'line' else 'a curved path'}",
        footnote=line_words.footnote(field, points, again),
        log=log,
    )


def x_title(field: Field) -> str:
    """The horizontal axis, its ends named."""
    a, b = line_words.names(field)
    return f"t   (0 = {a}, 1 = {b})"


def y_title(field: Field, metric: str) -> str:
    """The vertical axis with its unit and the split it was measured on."""
    preview = f", {TITLES[field.precision]} preview" if is_preview(field) else ""
    return units.titled(f"{field.measured_on} {line_words.called(field, metric)}{preview}", units.of_level(field.problem, metric))


def table(field: Field, points: Points, again: Confirmed | None = None) -> dict[str, Array | list[str]]:
    """The measured numbers by column, for a file: t, and for each metric its mean and its 95 % band; of a preview also the precision of each row."""
    if is_preview(field):
        parts = [(field.precision, points), *([("float32", again.points)] if again is not None else [])]
        rows = [(precision, table(exact(field), p)) for precision, p in parts]
        named = [name for precision, columns in rows for name in [precision] * len(columns["t"])]
        return {**{c: np.concatenate([columns[c] for _, columns in rows]) for c in rows[0][1]}, "precision": named}
    points = points.sorted()
    columns: dict[str, Array | list[str]] = {"t": points.coords[:, 0]}
    for i, metric in enumerate(field.metrics):
        low, high = band(points, i)
        name = short(metric)
        columns |= {name: points.means()[:, i], f"{name}_low": low, f"{name}_high": high}
    return columns
