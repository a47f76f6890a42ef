"""A quick picture in a coarse precision, and what people quote of it: those numbers are measured again in float32.

A field whose factors are rounded to 8 bits (bfloat16) or 10 bits (TF32) is a preview; its sums are not rounded. One in the type in which the weights are
stored is none: it shows the models as they are run. Its twin is the
same field in float32. When a run of a preview is complete, the places that its picture is judged by are measured in the twin, where they stay: the ends of
a path and, for each metric, its highest point and the one that rises most above the straight line between the ends, with their neighbours; of a plane the models that lie in it
and, for each metric, its lowest and its highest point. Whatever else the twin holds counts as well. Plain numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from explorer.core import registry
from explorer.core.points import Array, Points, rounded
from explorer.core.spec import Field, Precision, Run
from explorer.stats import metrics
from explorer.stats.plane_frame import Window

TITLES: dict[Precision, str] = {"float32": "float32", "tf32": "TF32", "bfloat16": "bfloat16", "stored": "the stored type"}
INSIDE = 1e-6  # of a plane's width: a model that lies nearer to the plane lies in it
NEXT = 2  # points on either side of the highest of a path


@dataclass(frozen=True, eq=False)
class Confirmed:
    """points: what the twin holds. places: at how many of them the preview was measured, too. apart: (M,) by how much the means differ there at most."""

    points: Points
    places: int
    apart: Array


def is_preview(field: Field) -> bool:
    """Whether its numbers are only good for a picture."""
    return field.precision in ("tf32", "bfloat16")


def exact(field: Field) -> Field:
    """The same field in float32."""
    return replace(field, precision="float32")


def mark(field: Field) -> str:
    """What is said behind a title: empty for what is exact."""
    return f" ({TITLES[field.precision]} preview)" if is_preview(field) else ""


def confirming(run: Run, coords: Array, means: Array, gram: Array) -> Run | None:
    """The run that measures again what is quoted of a preview: (K, d) points with (K, M) means, and the corners' Gram matrix. None of what is exact."""
    if not len(coords) or not is_preview(run.field):
        return None
    if coords.shape[1] == 1:
        places = _of_path(coords, means)
    else:
        places = np.concatenate([_corners(run.field, gram), _extremes(coords, _shown(run.field, means))])
    at = np.unique(rounded(places), axis=0)
    return Run(exact(run.field), registry.method("sample", "given", {"at": tuple(float(c) for c in at.ravel())}))


def confirmed(preview: Points, twin: Points) -> Confirmed | None:
    """What was measured again; None before anything was."""
    if not len(preview) or not len(twin):
        return None
    where = {row.tobytes(): i for i, row in enumerate(rounded(preview.coords))}
    both = [(where[key], k) for k, row in enumerate(rounded(twin.coords)) if (key := row.tobytes()) in where]
    if not both:
        return None
    here, there = map(list, zip(*both, strict=True))
    difference = np.abs(preview.means()[here] - twin.means()[there])
    return Confirmed(twin, len(both), np.nanmax(difference, axis=0) if np.isfinite(difference).any() else np.full(difference.shape[1], np.nan))


def _of_path(coords: Array, means: Array) -> Array:
    order = np.argsort(coords[:, 0], kind="stable")
    t, means = coords[order, 0], means[order]
    within = (t >= 0) & (t <= 1)
    ends = np.isin(t, (0.0, 1.0))
    places = [t[ends], *(_around(t, column) for column in means.T)]
    if (t == 0.0).any() and (t == 1.0).any():
        first, last = means[t == 0.0][0], means[t == 1.0][0]
        rise = means - ((1 - t[:, None]) * first + t[:, None] * last)
        places += [_around(t[within], column) for column in rise[within].T]
    return np.concatenate(places)[:, None]


def _around(t: Array, values: Array) -> Array:
    """The place of the highest value and those next to it: which of them is the highest is what the preview is least sure of."""
    known = np.isfinite(values)
    t, values = t[known], values[known]
    return t[max(int(np.argmax(values)) - NEXT, 0) : int(np.argmax(values)) + NEXT + 1] if len(t) else t


def _shown(field: Field, means: Array) -> Array:
    """(K, M) what can be shown of means; an exponential is highest where what it is taken of is."""
    terms = [metrics.find(name).terms for name in metrics.given(field)]
    return np.stack([sum((f * means[:, field.metrics.index(m)] for m, f in sums), np.zeros(len(means))) for sums in terms], axis=1)


def _extremes(coords: Array, means: Array) -> Array:
    return np.concatenate([coords[_highest(column)] for column in (*means.T, *-means.T)])


def _highest(values: Array) -> list[int]:
    """The place of the largest finite value, if any is."""
    return [int(np.nanargmax(np.where(np.isfinite(values), values, np.nan)))] if np.isfinite(values).any() else []


def _corners(field: Field, gram: Array) -> Array:
    """(≤ C, 2) coordinates of the corners that lie in the picture of a plane; none for charts that look through no window."""
    if not registry.has_window(field.chart.name):
        return np.empty((0, registry.dimension(field)))
    window = cast("Callable[..., Window]", registry.find("chart", field.chart.name, function="window"))(gram, **field.chart.kwargs())
    coords = window.coords(window.frame.corners)
    shown = (window.frame.outside <= INSIDE * window.sides.max()) & ((coords >= 0) & (coords <= 1)).all(axis=1)
    return coords[shown]
