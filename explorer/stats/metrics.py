"""What a plane can show: metrics by name, and the measured sums that each is made of. Plain numpy.

A field keeps sums over blocks of samples: of `loss` and `error`, and, where its request says so, of `brier` and `confidence` too (SCORED; explorer.evaluate.proper_scores).
A network answers once for all of them. Two more are made of these sample by sample, so that their intervals and differences are as good:

    accuracy = 1 − error        overconfidence = confidence − accuracy

The Brier score is Σ_k (p_k − [k is true])², from 0 to 2 (Brier 1950, "Verification of Forecasts Expressed in Terms of Probability"); confidence the
probability of the class that is chosen. Overconfidence is 0 for a calibrated model, and for one whose faults in either direction cancel out: the expected
calibration error sees these, but is not a sum over samples, so no field can keep it (explorer.stats.calibration; the Compare page). Perplexity is the exponential of
the mean loss of tokens, and its interval that of the loss through the same exponential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Literal

import numpy as np

from explorer.core import plugins, registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points
from explorer.core.spec import Field, ProblemSpec
from explorer.stats import perplexity
from explorer.stats.barriers import band

PLAIN = ("loss", "error")
SCORED = (*PLAIN, "brier", "confidence")
KINDS = ("", "classes", "labels", "tokens")


@dataclass(frozen=True)
class Metric:
    """What one is called, and `constant` + Σ factor · measured sum of each sample: the constants of a module of explorer.methods.metric, or of a plug-in.

    of: which problems it means something for: any, those whose answers are classes, those that know the true class, those of tokens. good: which values
    are the better ones, if any. percent: it is shown a hundred times as large. exponential: what is shown is the exponential of that mean. unit, gap: of
    a value and of a difference, where they are not those that follow. order: where it stands among the others.
    """

    name: str
    terms: tuple[tuple[str, float], ...]
    title: str = ""
    constant: float = 0.0
    of: Literal["", "classes", "labels", "tokens"] = ""
    good: Literal["low", "high", ""] = "low"
    percent: bool = False
    exponential: bool = False
    unit: str = ""
    gap: str = ""
    order: int = 1000

    @property
    def called(self) -> str:
        """Its name for a person."""
        return self.title or self.name.replace("_", " ")

    def suits(self, problem: ProblemSpec) -> bool:
        """Whether it means something for a problem: nothing is right where outputs are numbers, and no class is the true one without labels."""
        match self.of:
            case "tokens":
                return perplexity.applies(problem)
            case "classes":
                return registry.classifies(problem.loss)
            case "labels":
                return registry.classifies(problem.loss) and registry.targets_of(problem.loss) != "reference"
            case _:
                return True


def every() -> Mapping[str, Metric]:
    """All metrics by name, in the order in which they are offered."""
    return _every(tuple(plugins.given().items()))


@cache
def _every(given: tuple[tuple[str, str], ...]) -> Mapping[str, Metric]:
    found = [_read(name) for name in registry.names("metric")]
    return {m.name: m for m in sorted(found, key=lambda m: (m.order, m.name))}


def _read(name: str) -> Metric:
    """A metric from the constants of its module. Refused when they describe none."""
    said = {key.lower(): value for key, value in registry.constants("metric", name).items()}
    given = {f.name: said[f.name] for f in fields(Metric) if f.name in said}
    wrong = sorted(key for key, value in given.items() if key != "terms" and not isinstance(value, type(_DEFAULTS[key])))
    terms = said.get("terms")
    if not isinstance(terms, tuple) or not terms or not all(isinstance(t, tuple) and [*map(type, t)] == [str, float] for t in terms):
        wrong.append("terms")
    if given.get("of", "") not in KINDS or given.get("good", "") not in ("low", "high", ""):
        wrong.append("of, or good")
    if wrong:
        raise Refused(
            f"The metric {name} has a wrong {wrong[0].upper()}. See the constants of explorer/methods/metric/brier.py, and explorer.stats.metrics."
        )
    found = replace(_SOME, name=name, **given)
    return replace(found, terms=tuple((measured_as(term), factor) for term, factor in found.terms))


_SOME = Metric("", ())
_DEFAULTS = {f.name: getattr(_SOME, f.name) for f in fields(Metric)}


def measured_as(name: str) -> str:
    """What a sum is called among those of a field. One that a module named on the command line measures carries the digest of its text: when that changes,
    points that were measured before are not taken for its own."""
    if name in SCORED or name not in registry.names("metric"):
        return name
    digest = registry.code_of("metric", name)
    return f"{name}@{digest[:12]}" if digest else name


def is_own(name: str) -> bool:
    """Whether a metric is a function of somebody's own that a process holds: its name is followed by @, which values are good, and a digest."""
    return "@" in name and name.partition("@")[0] not in registry.names("metric")


def short(name: str) -> str:
    """A metric's name without the digest of its code."""
    return name.partition("@")[0]


def own(field: Field) -> tuple[str, ...]:
    """The metrics of somebody's own that a field measures."""
    return tuple(filter(is_own, field.metrics))


def find(name: str) -> Metric:
    """The metric of this name. Refused, with all names, when there is none."""
    if is_own(name):
        called, _, which = name.partition("@")
        good = which.partition("-")[0]
        return Metric(name, ((name, 1.0),), title=called.replace("_", " "), good="" if good == "any" else "high" if good == "high" else "low")
    if name not in (known := every()):
        raise Refused(f"There is no metric {name!r}. There are: {', '.join(known)}.")
    return known[name]


def offered(problem: ProblemSpec) -> tuple[str, ...]:
    """Those that mean something for a problem."""
    return tuple(m.name for m in every().values() if m.suits(problem))


def known_sums() -> tuple[str, ...]:
    """All that can be measured of each sample: loss, error, and what the metrics' modules measure."""
    return (*SCORED, *(measured_as(name) for name in every() if name not in SCORED and registry.measures(name)))


def measurable(measured: Sequence[str], problem: ProblemSpec) -> None:
    """Refused when something else is to be measured than can be, of this problem's loss."""
    targets = registry.targets_of(problem.loss)
    if measured == ("confusion",):
        if targets != "classes":
            raise Refused(f"A confusion matrix needs classes, and the loss here is {registry.called(problem.loss)}. Choose the metrics loss, error.")
        return
    measured = [name for name in measured if not is_own(name)]
    if unknown := set(measured) - set(known := known_sums()):
        raise Refused(f"There is no metric {sorted(unknown)[0]!r} to measure. Metrics: {', '.join(known)}; or confusion alone.")
    if not set(measured) <= set(PLAIN) and targets not in ("classes", "masked"):
        raise Refused(
            f"A Brier score and a confidence need classes, and the loss here is {registry.called(problem.loss)}. Choose the metrics loss, error."
        )


def given(field: Field) -> tuple[str, ...]:
    """Those of them that a field's sums give."""
    return (*(m for m in offered(field.problem) if field_for(field, m) == field), *own(field))


def needed(*wanted: str) -> tuple[str, ...]:
    """What a field must measure for them."""
    sums = {name for metric in wanted for name, _ in find(metric).terms}
    return next((usual for usual in (PLAIN, SCORED) if sums <= set(usual)), (*PLAIN, *sorted(sums - set(PLAIN))))


def field_for(field: Field, metric: str) -> Field:
    """The field itself where it measures what the metric is made of; else the same field measured for it, too."""
    return field if {name for name, _ in find(metric).terms} <= set(field.metrics) else replace(field, metrics=needed(metric))


def column(points: Points, measured: Sequence[str], metric: str) -> Points:
    """Points with the one metric alone: (K, 1, B) sums; of an exponential, what it is taken of. Refused when it was not measured."""
    found = find(metric)
    if missing := [name for name, _ in found.terms if name not in measured]:
        raise Refused(
            f"For {found.called} the points must have {missing[0]!r}, and only {', '.join(measured)} were measured. Measure them with that metric."
        )
    if not len(points):
        return replace(points, values=np.empty((0, 1, len(points.counts))))
    sums = sum((factor * points.values[:, measured.index(name)] for name, factor in found.terms), found.constant * points.counts)
    return replace(points, values=np.asarray(sums)[:, None])


def value(metric: str, mean: Array) -> Array:
    """What a mean of the column is as the metric; infinite where an exponential is beyond a float."""
    if not find(metric).exponential:
        return mean
    with np.errstate(over="ignore"):
        return np.exp(mean)


def means(points: Points, measured: Sequence[str], metric: str) -> Array:
    """(K,) the metric of each point."""
    return value(metric, column(points, measured, metric).means()[:, 0])


def interval(points: Points, measured: Sequence[str], metric: str) -> tuple[Array, Array]:
    """(K,) ends of its pointwise 95 % interval."""
    low, high = band(column(points, measured, metric))
    return value(metric, low), value(metric, high)
