"""A measured line between two models in words: its names, its numbers, what they say and what they cannot say. Plain numpy, and the same words every time."""

from __future__ import annotations

from explorer.core import registry, significant_digits
from explorer.core.points import Points
from explorer.core.spec import Field
from explorer.stats import metrics, units
from explorer.stats.barriers import barrier_of, falls
from explorer.stats.bootstrap import Barrier
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
        f"{significant_digits.number(units.scale(m) * float(again.apart[i]), 2)} {'points' if metrics.find(m).percent else units.of_gap(field.problem, m)}".rstrip()
        + f" of {called(field, m)}"
        for i, m in enumerate(field.metrics)
        if m in meaningful_metrics(field)
    )
    return f"{what} Every quoted value was measured again in float32; at the {again.places:,} points that have both, they differ by at most {apart}."


def shown(found: Barrier, which: str = "height", *, unit: str) -> str:
    """An estimate of the barrier with its interval; `unit` is the loss's, an error is in points."""
    estimate = getattr(found, which)
    if metrics.find(found.metric).percent:
        return estimate.formatted(scale=100, unit="points")
    return estimate.formatted(unit=unit)


def explain(field: Field, points: Points, metric: str, again: Confirmed | None = None) -> str:
    """The picture in words: what the numbers say, and what they cannot say. Deterministic. again: of a preview, what was measured in float32."""
    if is_preview(field):
        return f"{caution(field, again)}\n\n{_explain(field, again.points, metric)}" if again is not None else caution(field, again)
    return _explain(field, points, metric)


def _explain(field: Field, points: Points, metric: str) -> str:
    if metrics.find(metric).good == "":
        return (
            f"No barrier of {called(field, metric)} is stated: it is not known whether higher or lower values are the better ones. Give the metric as"
            f" ('high', function) or ('low', function)."
        )
    found = barrier_of(points, field.metrics, metric) if len(points) else None
    if found is None:
        return "The ends are not measured yet, or one of them has no finite loss, so there is no straight line to compare with."
    a, b = names(field)
    unit, what = units.of_gap(field.problem, metric), called(field, metric)
    half = found.split_half
    rise, above = ("fall", "below") if falls(metric) else ("rise", "above")
    ends = f"**{a}** has {_value(found.ends[0], metric, unit)}, **{b}** {_value(found.ends[1], metric, unit)}."
    share = found.height.value / max(sum(found.ends) / 2, 1e-12)
    if found.height.value <= 0:
        finding = f"Nowhere between them does the {what} {rise} {above} the straight line: there is **no barrier**."
    elif half.low <= 0:
        finding = (
            f"The largest {rise} {above} the straight line is {shown(found, unit=unit)}. Re-measured on held-out samples it is"
            f" {shown(found, 'split_half', unit=unit)}, which does not exclude zero: on {found.samples:,} samples there is **no detectable barrier**;"
            f" with 95 % confidence it is below {_value(found.upper, metric, unit, difference=True)}."
        )
    else:
        finding = (
            f"Between them the {what} {rise}s {above} the straight line by **{shown(found, unit=unit)}** at t = {found.at:.3g}, where it is"
            f" {_value(found.peak, metric, unit)}. Re-measured on held-out samples, the {rise} is {shown(found, 'split_half', unit=unit)}."
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
    if metrics.find(metric).percent:
        return f"{significant_digits.number(100 * x, 3)} {'points' if difference else f'% {metric}'}"
    return f"{significant_digits.number(x, 3)}{units.after(unit)}"


def _samples(points: Points) -> str:
    return f"{int(points.counts.sum()):,}"
