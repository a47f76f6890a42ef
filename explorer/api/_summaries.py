"""Results summed up with the numbers and in the words of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explorer.api._shown import Summary
from explorer.core import significant_digits
from explorer.core.points import Points
from explorer.core.spec import Field
from explorer.figures import landscape
from explorer.figures import line as line_figure
from explorer.figures import plane as plane_figure
from explorer.stats import line_metrics, line_words, metrics, units
from explorer.stats.alignment_words import freedom, lowered, tried
from explorer.stats.barriers import Barrier
from explorer.stats.certificate_words import certified
from explorer.stats.intervals import Estimate
from explorer.stats.preview_confirmation import is_preview

if TYPE_CHECKING:
    from explorer.api.looks import Models
    from explorer.api.plane_result import Plane
    from explorer.api.results import AlignedModels, Line, Pair

NO_LINE = "An end of the path has no finite loss, so there is no straight line to compare with."


def barrier_metrics(field: Field) -> list[str]:
    """The metrics that were measured along a field and have a barrier; one's own by their full names."""
    return [*(m for m in line_metrics.offered(field.problem) if m in metrics.given(field)), *metrics.own(field)]


def shown_metrics(field: Field) -> list[str]:
    """Those with a row of their own: what was measured as it is, and an exponential such as the perplexity. An accuracy is told by its error."""
    return [m for m in metrics.given(field) if m in field.metrics or metrics.find(m).exponential]


def of_line(line: Line) -> Summary:
    """The barrier of each metric; of the first of them the verdict, and what the points do not show."""
    field, found = line.run.field, _barriers(line)
    said = [line_words.verdict_words(field.problem, found[0])] if found else [NO_LINE]
    if found and found[0].diverged:
        said.append(f"{found[0].diverged} points are not finite and were left out: the true barrier is higher.")
    if found and (unseen := line_words.unseen(field, line.points, found[0].metric, line.run.sampler)):
        said.append(unseen)
    head = ("", "barrier", "95 % interval", "at t", "ends")
    rows = [(_named(field, b.metric), *_parts(b.height, b.metric), significant_digits.number(b.at, 3), _ends(b)) for b in found]
    a, b = line_words.names(field)
    return Summary(f"{a} → {b}: {_measured(field, line.points)}", [head, *rows] if rows else (), [*said, *filter(None, [line.caution()])])


def of_pair(pair: Pair) -> Summary:
    """What an alignment did to the barrier of each metric; in words, of the first of them."""
    field, rows, said = pair.after.run.field, list[tuple[str, ...]](), list[str]()
    after = _barriers(pair.after)
    before = {b.metric: b for b in _barriers(pair.before)} if pair.before is not None else {}
    for found in after:
        gap = units.of_gap(field.problem, found.metric)
        scale = units.scale(found.metric)
        if (first := before.get(found.metric)) is None:
            rows.append((_named(field, found.metric), "", found.height.formatted(scale=scale), ""))
            continue
        lower = pair.reduction(metrics.short(found.metric))
        rows.append((_named(field, found.metric), *(e.formatted(scale=scale) for e in (first.height, found.height, lower))))
        if found is after[0]:
            said.append(lowered(first, found, lower, scale=scale, unit=gap, how=tried(field.corners), due_to=freedom(field.corners)))
    if pair.before is None:
        said.append("The widths differ: before the alignment no straight line joins these models.")
    elif not said:
        said.append(NO_LINE)
    a, b = line_words.names(field)
    head = ("", "barrier before [95 %]", "after", "lower by")
    return Summary(f"{a} → {b}: {_measured(field, pair.after.points)}", [head, *rows] if rows else (), [*said, *filter(None, [pair.after.caution()])])


def of_alignment(aligned: AlignedModels) -> Summary:
    """Of two models as of their pair; of more, a row for each."""
    method = aligned.matched.method.replace("_", " ")
    each = [of_pair(pair) for pair in aligned.pairs]
    if len(each) == 1:
        return Summary(f"Aligned by {method}. {each[0].title}", each[0].table, each[0].said)
    rows = [(aligned.matched.names[i], *one.table[1][1:]) for i, one in enumerate(each, 1) if one.table]
    said = [f"{aligned.matched.names[i]}: {one.said[0]}" for i, one in enumerate(each, 1)]
    head = ("loss", *each[0].table[0][1:]) if each[0].table else ()
    return Summary(f"{len(each)} models aligned to {aligned.matched.names[0]} by {method}", [head, *rows] if rows else (), said)


def of_plane(plane: Plane) -> Summary:
    """The lowest and the highest value of each metric; in words, where the loss is low and what lies between the models."""
    field, rows, said = plane.run.field, list[tuple[str, ...]](), list[str]()
    for metric in shown_metrics(field):
        ends = plane.extremes(metrics.short(metric))
        if ends is None:
            continue
        shown = [Estimate(e.value, *(e.interval or (np.nan, np.nan))).formatted() for e in ends]
        name = units.titled(line_words.called(field, metric), units.of_level(field.problem, metric))
        rows.append((name, *(f"{value} at {_place(e)}" for value, e in zip(shown, ends, strict=True))))
    drawn, certificate = plane.seen("loss")
    if drawn.guess is not None:
        said.append(certified(certificate, drawn.measured, scale=units.scale("loss"), unit=units.of_level(field.problem, "loss")))
    markers = plane.markers()
    told = landscape.explain(
        drawn,
        markers,
        metric=metrics.find("loss"),
        unit=units.of_level(field.problem, "loss"),
        around=field.chart.name != "plane",
        dimensions=0,
        extremes=plane.extremes(),
        caution=plane.caution() if is_preview(field) else "",
    )
    said += told.split("\n\n")[:-1] or [told]  # the last is what no plane can show
    named = ", ".join(m.name for m in markers)
    doubts = plane.doubts if is_preview(field) else ()
    head = ("", "lowest [95 %]", "highest [95 %]")
    return Summary(f"Plane of {named}: {_measured(field, plane.points)}", [head, *rows] if rows else (), [*said, *doubts])


def of_models(models: Models) -> Summary:
    """A row for each model: its metrics and, of the first of these, the paired difference from the first model."""
    field = models.run.field
    known, names = shown_metrics(field), [c.name or c.id for c in field.corners]
    several = len(names) > 1
    head = ["", *(f"{units.titled(line_words.called(field, m), units.of_level(field.problem, m))} [95 %]" for m in known)]
    if several:
        head.append(f"{line_words.called(field, known[0])} minus that of {names[0]}")
    rows: list[tuple[str, ...]] = []
    for i, name in enumerate(names):
        values = [models.value(i, metrics.short(m)).formatted(scale=units.scale(m)) for m in known]
        apart = models.difference(i, 0, metrics.short(known[0])).formatted(scale=units.scale(known[0]), signed=True) if i else ""
        rows.append((name, *values, *([apart] if several else [])))
    said = ["Differences are paired, sample by sample; one whose interval holds 0 is indistinguishable from none."] if several else []
    title = f"{f'{len(names)} models' if several else names[0]}, measured on {int(models.points.counts.sum()):,} {field.measured_on} samples"
    return Summary(title, [head, *rows], [*said, *filter(None, [models.caution()])])


def _barriers(line: Line) -> list[Barrier]:
    field = line.run.field
    quoted = line_figure.quoted(field, line.points, line.again)
    return [
        b
        for m in barrier_metrics(field)
        if m in field.metrics and len(quoted) and (b := line_metrics.barrier_of(quoted, field.metrics, m)) is not None
    ]


def _named(field: Field, metric: str) -> str:
    return units.titled(line_words.called(field, metric), units.of_gap(field.problem, metric))


def _parts(estimate: Estimate, metric: str) -> tuple[str, str]:
    value, low, high = estimate.parts(scale=units.scale(metric))
    return value, f"[{low}, {high}]"


def _ends(found: Barrier) -> str:
    return ", ".join(significant_digits.number(units.scale(found.metric) * end, 3) for end in found.ends)


def _place(there: plane_figure.Extreme) -> str:
    return f"({significant_digits.number(there.x, 3)}, {significant_digits.number(there.y, 3)})"


def _measured(field: Field, points: Points) -> str:
    return f"{len(points)} points on {int(points.counts.sum()):,} {field.measured_on} samples"
