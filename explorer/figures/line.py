"""What a measured line between two models shows: its curves, its numbers and its story, from a field and its points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go

from explorer.core import registry, significant_digits
from explorer.core.points import Array, Points
from explorer.core.spec import Field
from explorer.figures import curve as curve_figure
from explorer.figures import units
from explorer.figures.curve import Curve, Peak
from explorer.stats import metrics
from explorer.stats.bootstrap import Barrier, band, barrier
from explorer.stats.preview_confirmation import TITLES, Confirmed, exact, is_preview, mark

SMALL = 0.25  # of the metric at the ends: a barrier below this share is called small


def names(field: Field) -> tuple[str, str]:
    """What the two ends are called."""
    a, b = field.corners[0], field.corners[-1]
    return a.name or a.id, b.name or b.id


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
    a, b = names(field)
    return curve_of(
        points,
        metric,
        ghost=ghost,
        name=(name or f"{a} → {b}") + mark(field),
        metrics=field.metrics,
        unit=units.of_gap(field.problem, metric),
        judged=quoted(field, points, again),
    )


def curve_of(
    points: Points,
    metric: str,
    *,
    name: str,
    ghost: bool = False,
    metrics: tuple[str, ...] = ("loss", "error"),
    unit: str = "nat",
    judged: Points | None = None,
) -> Curve:
    """The same of points alone; unit: that of the loss. judged: the points that the barrier is taken from, where those are others."""
    judged = points if judged is None else judged
    points = points.sorted()
    index = metrics.index(metric)
    scale = units.scale(metric)
    t = points.coords[:, 0]
    mean = points.means()[:, index] * scale if len(points) else np.empty(0)
    low, high = (edge * scale for edge in band(points, index)) if len(points) else (np.empty(0), np.empty(0))
    found = barrier(judged, index, name=metric) if len(judged) else None
    peak = None
    if found and not ghost and found.height.value > 0:
        top = found.peak * scale
        peak = Peak(found.at, top - found.height.value * scale, top, f"barrier {shown(found, unit=unit)}")
    chord = (found.ends[0] * scale, found.ends[1] * scale) if found and not ghost else None
    return Curve(name, t, mean, low, high, chord=chord, peak=peak, ghost=ghost)


def figure_of(field: Field, points: Points, metric: str, *, log: bool = False, again: Confirmed | None = None) -> go.Figure:
    """The picture for a report."""
    a, b = names(field)
    return curve_figure.figure(
        [curve(field, points, metric, again=again)],
        x_title=x_title(field),
        y_title=y_title(field, metric),
        title=f"{a} → {b}: {metric} along the straight line",
        footnote=footnote(field, points, again),
        log=log,
    )


def x_title(field: Field) -> str:
    """The horizontal axis, its ends named."""
    a, b = names(field)
    return f"t   (0 = {a}, 1 = {b})"


def y_title(field: Field, metric: str) -> str:
    """The vertical axis with its unit and the split it was measured on."""
    preview = f", {TITLES[field.precision]} preview" if is_preview(field) else ""
    return units.titled(f"{field.split} {called(field, metric)}{preview}", units.of_level(field.problem, metric))


def told(field: Field) -> tuple[str, ...]:
    """The metrics that mean something: where outputs are numbers, nothing is right or wrong."""
    return field.metrics if registry.classifies(field.problem.loss) else tuple(m for m in field.metrics if m != "error")


def called(field: Field, metric: str) -> str:
    """What a metric is under the field's loss: without targets, how far the first model's answers are, and how often its choice is not taken."""
    if registry.targets_of(field.problem.loss) != "reference":
        return metrics.find(metric).called
    return f"{field.problem.loss.replace('_', ' ') if metric == 'loss' else 'disagreement'} from {names(field)[0]}"


def footnote(field: Field, points: Points, again: Confirmed | None = None) -> str:
    """What a reader of the picture alone must know."""
    buffers = {
        "recalibrate": "recalibrated at every interior point",
        "mix": "mixed like the weights",
        "first": "those of the first model",
        "repair": "recalibrated; every other unit repaired to the mean and spread between the models' own (REPAIR)",
    }
    return (
        f"{len(points)} measured points, straight segments between them; band: 95 % pointwise, bootstrap over blocks of {_samples(points)}"
        f" {field.split} samples of {field.problem.title or field.problem.name}. Dotted: straight line between the ends."
        f" Batch-norm statistics, where there are any: {buffers[field.buffers]}." + (f" {caution(field, again)}" if is_preview(field) else "")
    )


def caution(field: Field, again: Confirmed | None) -> str:
    """What must be known of a preview: its precision, what of it is exact, and how far the two were apart."""
    what = f"The picture is a {TITLES[field.precision]} preview."
    if again is None:
        return f"{what} The quoted values are measured again in float32 when it is complete."
    apart = ", ".join(
        f"{significant_digits.number(units.scale(m) * float(again.apart[i]), 2)} {'points' if m == 'error' else units.of_gap(field.problem, m)}".rstrip()
        + f" of {called(field, m)}"
        for i, m in enumerate(field.metrics)
        if m in told(field)
    )
    return f"{what} Every quoted value was measured again in float32; at the {again.places:,} points that have both, they differ by at most {apart}."


def shown(found: Barrier, which: str = "height", *, unit: str) -> str:
    """An estimate of the barrier with its interval; `unit` is the loss's, an error is in points."""
    estimate = getattr(found, which)
    if found.metric == "error":
        return estimate.told(scale=100, unit="points")
    return estimate.told(unit=unit)


def explain(field: Field, points: Points, metric: str, again: Confirmed | None = None) -> str:
    """The picture in words: what the numbers say, and what they cannot say. Deterministic. again: of a preview, what was measured in float32."""
    if is_preview(field):
        return f"{caution(field, again)}\n\n{_explain(field, again.points, metric)}" if again is not None else caution(field, again)
    return _explain(field, points, metric)


def _explain(field: Field, points: Points, metric: str) -> str:
    found = barrier(points, field.metrics.index(metric), name=metric) if len(points) else None
    if found is None:
        return "The ends are not measured yet, or one of them has no finite loss, so there is no straight line to compare with."
    a, b = names(field)
    unit, what = units.of_gap(field.problem, metric), called(field, metric)
    half = found.split_half
    ends = f"**{a}** has {_value(found.ends[0], metric, unit)}, **{b}** {_value(found.ends[1], metric, unit)}."
    share = found.height.value / max(sum(found.ends) / 2, 1e-12)
    if found.height.value <= 0:
        finding = f"Nowhere between them does the {what} rise above the straight line: there is **no barrier**."
    elif half.low <= 0:
        finding = (
            f"The largest rise above the straight line is {shown(found, unit=unit)}. Re-measured on held-out samples it is"
            f" {shown(found, 'split_half', unit=unit)}, which does not exclude zero: on {found.samples:,} samples there is **no detectable barrier**;"
            f" with 95 % confidence it is below {_value(found.upper, metric, unit, difference=True)}."
        )
    else:
        finding = (
            f"Between them the {what} rises above the straight line by **{shown(found, unit=unit)}** at t = {found.at:.3g}, where it is"
            f" {_value(found.peak, metric, unit)}. Re-measured on held-out samples, the rise is {shown(found, 'split_half', unit=unit)}."
        )
        finding += (
            f" It is real but **small**: {share:.0%} of the {what} at the ends."
            if share < SMALL
            else " So these two models are **not linearly connected**."
        )
    gaps = (
        f" {found.diverged} points have no finite {metric}; they are left out and shown as gaps, so the true barrier is higher."
        if found.diverged
        else ""
    )
    limits = (
        "The interval reflects the sampling of evaluation data, not of training seeds, and holds for the straight line only:"
        " a barrier here can vanish once hidden units are matched, or on a curved path."
    )
    return f"{ends} {finding}{gaps}\n\n{limits}"


def _value(x: float, metric: str, unit: str, *, difference: bool = False) -> str:
    if metric == "error":
        return f"{significant_digits.number(100 * x, 3)} {'points' if difference else '% error'}"
    return f"{significant_digits.number(x, 3)}{units.after(unit)}"


def _samples(points: Points) -> str:
    return f"{int(points.counts.sum()):,}"


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
        columns |= {metric: points.means()[:, i], f"{metric}_low": low, f"{metric}_high": high}
    return columns
