"""A measured line between two models in words: its names, its numbers, what they say and what they cannot say. Plain numpy, and the same words every time."""

from __future__ import annotations

from math import isfinite

from explorer.core import registry, significant_digits
from explorer.core.markdown import plain
from explorer.core.points import Points
from explorer.core.spec import Field, Method, ProblemSpec
from explorer.stats import metrics, units
from explorer.stats.barriers import Barrier, Verdict, verdict
from explorer.stats.hidden_peaks import hidden
from explorer.stats.line_metrics import barrier_of, falls, worse_upward
from explorer.stats.preview_confirmation import TITLES, Confirmed, is_preview

SMALL = 0.25  # of the metric at the ends: a barrier below this share is called small


def names(field: Field) -> tuple[str, str]:
    """What the two ends are called."""
    a, b = field.corners[0], field.corners[-1]
    return a.name or a.id, b.name or b.id


def meaningful_metrics(field: Field) -> tuple[str, ...]:
    """The metrics that mean something: where outputs are numbers, nothing is right or wrong."""
    known = metrics.every()
    return tuple(m for m in field.metrics if metrics.is_own(m) or (m in known and known[m].suits(field.problem)))


def called(field: Field, metric: str) -> str:
    """What a metric is under the field's loss: without targets, how far the first model's answers are, and how often its choice is not taken."""
    if registry.targets_of(field.problem.loss) != "reference" or metrics.is_own(metric):
        return metrics.find(metric).called
    return f"{registry.called(field.problem.loss).replace('_', ' ') if metric == 'loss' else 'disagreement'} from {names(field)[0]}"


def footnote(field: Field, points: Points, again: Confirmed | None = None) -> str:
    """What a reader of the picture alone must know."""
    buffers = {
        "recalibrate": "recalibrated at every interior point",
        "mix": "mixed like the weights",
        "first": "those of the first model",
        "repair": "recalibrated; every other unit repaired to the mean and spread between the models' own (REPAIR)",
    }
    return (
        f"{len(points)} measured points, straight segments between them; band: 95 % pointwise, over {_samples(points)}"
        f" {field.measured_on} samples of {field.problem.title or field.problem.name}. Dotted: straight line between the ends."
        f" Batch-norm statistics, where there are any: {buffers[field.buffers]}." + (f" {caution(field, again)}" if is_preview(field) else "")
    )


def caution(field: Field, again: Confirmed | None) -> str:
    """What must be known of a preview: its precision, what of it is exact, and how far the two were apart."""
    what = f"The picture is a {TITLES[field.precision]} preview."
    if again is None:
        return f"{what} The quoted values are measured again in float32 when it is complete."
    apart = ", ".join(
        f"{significant_digits.number(units.scale(m) * float(again.apart[i]), 2)} {'points' if metrics.find(m).percent else units.of_gap(field.problem, m)}".rstrip()
        + f" of {called(field, m)}"
        for i, m in enumerate(field.metrics)
        if m in meaningful_metrics(field)
    )
    return f"{what} Every quoted value was measured again in float32; at the {again.places:,} points that have both, they differ by at most {apart}."


def shown(found: Barrier, *, unit: str) -> str:
    """The height of a barrier with its interval; `unit` is the loss's, an error is in points."""
    if metrics.find(found.metric).percent:
        return found.height.formatted(scale=100, unit="points")
    return found.height.formatted(unit=unit)


def verdict_of(problem: ProblemSpec, found: Barrier) -> Verdict:
    """Whether two models are connected by the path that was measured."""
    return verdict(found, units.negligible(problem, found.metric, found.ends))


def verdict_words(problem: ProblemSpec, found: Barrier) -> str:
    """The verdict in a sentence, with what it rests on."""
    judged, unit = verdict_of(problem, found), units.of_gap(problem, found.metric)

    def height(x: float) -> str:
        return _value(x, found.metric, unit, difference=True)

    match judged.kind:
        case "barrier":
            return "**A barrier**: the interval excludes zero." if not found.diverged else "**A barrier**: some points are not finite."
        case "connected":
            rise = " There is one, and it is negligible." if found.height.low > 0 else ""
            return f"**Connected**: with 97.5 % confidence the barrier is below {height(found.height.high)}; below {height(judged.negligible)} it counts as none.{rise}"
        case _ if not isfinite(judged.detectable):
            return "**Open**: a single sample does not show how much samples differ."
        case _:
            more = f"; about {judged.needed:,} would decide, if the estimate is right" if judged.needed else ""
            return (
                f"**Open**: on {found.samples:,} samples the barrier may be anything from 0 to {height(found.height.high)}{more}."
                f" A barrier of {height(judged.detectable)} would be detected in 80 % of cases."
            )


def explain(field: Field, points: Points, metric: str, again: Confirmed | None = None, *, sampler: Method | None = None) -> str:
    """The picture in words: what the numbers say, and what they cannot say. Deterministic. again: of a preview, what was measured in float32. sampler: who
    chose the points, to be said if its budget ended it."""
    between = unseen(field, points, metric, sampler)
    if is_preview(field):
        return f"{caution(field, again)}\n\n{_explain(field, again.points, metric, between)}" if again is not None else caution(field, again)
    return _explain(field, points, metric, between)


def unseen(field: Field, points: Points, metric: str, sampler: Method | None = None) -> str:
    """What the measured points do not show of the path between them, in a sentence; empty while an end is missing."""
    found = hidden(worse_upward(points, field.metrics, metric)) if len(points) else None
    if found is None:
        return ""
    unit = units.of_gap(field.problem, metric)

    def number(x: float) -> str:
        return f"{significant_digits.number(units.scale(metric) * x, 2)}{units.after(unit)}"

    if sampler is not None and found.out_of_budget(sampler):
        said = (
            f"**Sampling stopped at its budget of {sampler['budget']} points, before they resolved the path**: between them it may be higher by an estimated"
            f" {number(found.above)}, and straight segments err by up to {number(found.error)}."
        )
    elif found.above <= 0:
        said = f"Between the {found.points} measured points the path rises no higher, by estimate."
    else:
        more = f", more than the sampling error of {number(found.sampling)}: measure more points" if found.above > found.sampling else ""
        said = f"Between the {found.points} measured points the path may be higher by an estimated {number(found.above)}{more}."
    return f"{said} A peak of {number(found.height)} that is narrower than {significant_digits.number(found.width, 3)} in t could still hide there."


def _explain(field: Field, points: Points, metric: str, between: str) -> str:
    if metrics.is_own(metric) and metrics.find(metric).good == "":
        return (
            f"No barrier of {called(field, metric)} is stated: it is not known whether higher or lower values are better. Give the metric as"
            f" ('high', function) or ('low', function)."
        )
    found = barrier_of(points, field.metrics, metric) if len(points) else None
    if found is None:
        return "The ends are not measured yet, or one of them has no finite loss, so there is no straight line to compare with."
    a, b = names(field)
    unit, what = units.of_gap(field.problem, metric), called(field, metric)
    down = falls(metric)
    rises = "falls below" if down else "rises above"
    ends = f"**{plain(a)}** has {_value(found.ends[0], metric, unit)}, **{plain(b)}** {_value(found.ends[1], metric, unit)}."
    judged, share = verdict_of(field.problem, found), found.height.value / max(sum(found.ends) / 2, 1e-12)
    finding = f"At the measured points the {what} {rises} the straight line by **{shown(found, unit=unit)}**"
    if found.height.value > 0:
        finding += f"; the {'lowest' if down else 'highest'} measured point is at t = {found.at:.3g}, where it is {_value(found.peak, metric, unit)}"
    finding += f". {verdict_words(field.problem, found)}"
    if judged.kind == "barrier" and not found.diverged and share < SMALL:
        finding += f" It is **small**: {share:.0%} of the {what} at the ends."
    gaps = (
        f" {found.diverged} points have no finite {metric}; they are left out and shown as gaps, so the true barrier is higher."
        if found.diverged
        else ""
    )
    limits = (
        "The interval holds for the largest rise at the measured points. It reflects the sampling of evaluation data, not of training seeds, and is about the"
        " straight line only: a barrier here can vanish once hidden units are matched, or on a curved path."
    )
    return f"{ends} {finding}{gaps} {between}".rstrip() + f"\n\n{limits}"


def _value(x: float, metric: str, unit: str, *, difference: bool = False) -> str:
    if metrics.find(metric).percent:
        return f"{significant_digits.number(100 * x, 3)} {'points' if difference else f'% {metric}'}"
    return f"{significant_digits.number(x, 3)}{units.after(unit)}"


def _samples(points: Points) -> str:
    return f"{int(points.counts.sum()):,}"
