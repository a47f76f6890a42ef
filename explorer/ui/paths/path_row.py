"""What the table of paths says of one of them: how a metric runs along it, and how long it is."""

from __future__ import annotations

import numpy as np

from explorer.core import significant_digits
from explorer.core.points import Points
from explorer.core.spec import Field
from explorer.figures import line
from explorer.stats import line_metrics, metrics, units
from explorer.stats.barriers import path_mean
from explorer.stats.hidden_peaks import Hidden, hidden
from explorer.stats.preview_confirmation import is_preview, mark
from explorer.store.run_store import RunStore
from explorer.ui.paths.along_length import lengths
from explorer.ui.paths.form import NamedPath
from explorer.ui.widgets import precision


def row(store: RunStore, way: NamedPath, field: Field, points: Points, metric: str, *, in_training: bool) -> dict[str, object] | None:
    """The row of a path; None while one of its ends is not measured."""
    judged = line.quoted(field, points, precision.again(store, field, points))
    between = hidden(line_metrics.worse_upward(points, field.metrics, metric)) if len(points) else None
    heights = (_climb if line_metrics.has_barrier(metric) else _span)(field, judged, metric, between) if len(judged) else None
    if heights is None:
        return None
    length = lengths(store, field, points.coords[:, 0])
    whole = float(lengths(store, field, np.array([1.0]))[0])
    direct = store.field(field.id)
    straight = float(direct.distances()[0, -1]) if direct is not None else 0.0
    mean = path_mean(metrics.column(points, field.metrics, metric), length)
    return {
        "path": way.name + (" (in training)" if in_training else "") + mark(field),
        **heights,
        units.titled("path mean", units.of_level(field.problem, metric)): "" if is_preview(field) else mean.formatted(scale=units.scale(metric)),
        "length": f"{whole:.4g}",
        "÷ distance": f"{whole / straight:.3f}" if straight else "",
        "points": f"{len(points)}, all of its budget" if between is not None and between.out_of_budget(way.run.sampler) else f"{len(points)}",
    }


def _climb(field: Field, judged: Points, metric: str, between: Hidden | None) -> dict[str, object] | None:
    """Its worst value, its barrier, and what may have been missed between its points; None while an end is missing."""
    found = line_metrics.barrier_of(judged, field.metrics, metric)
    if found is None:
        return None
    scale, unit, apart = units.scale(metric), units.of_level(field.problem, metric), units.of_gap(field.problem, metric)
    falls = line_metrics.falls(metric)
    return {
        units.titled("ends", unit): f"{scale * found.ends[0]:.3g}, {scale * found.ends[1]:.3g}",
        units.titled("minimum" if falls else "maximum", unit): line_metrics.worst(judged, field.metrics, metric).formatted(scale=scale),
        f"{units.titled('barrier', apart)}, 95 %": found.height.formatted(scale=scale),
        units.titled("lower between" if falls else "higher between", apart): ""
        if between is None
        else f"≈ {significant_digits.number(scale * between.above, 2)}",
        "hidden width": "" if between is None else f"< {significant_digits.number(between.width, 3)}",
    }


def _span(field: Field, judged: Points, metric: str, between: Hidden | None) -> dict[str, object] | None:
    """Between which values it moves, where it is not known which of them are the better ones; None while an end is missing."""
    t, mean = judged.coords[:, 0], metrics.means(judged, field.metrics, metric)
    ends = [mean[t == end] for end in (0.0, 1.0)]
    if not all(len(value) and np.isfinite(value).all() for value in ends):
        return None
    scale, unit = units.scale(metric), units.of_level(field.problem, metric)
    lowest, highest = line_metrics.span(judged, field.metrics, metric)
    return {
        units.titled("ends", unit): ", ".join(f"{scale * value[0]:.3g}" for value in ends),
        units.titled("minimum", unit): lowest.formatted(scale=scale),
        units.titled("maximum", unit): highest.formatted(scale=scale),
    }
