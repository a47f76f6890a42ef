"""What a plane can show: metrics by name, and the measured sums that each is made of. Plain numpy.

A field keeps sums over blocks of samples: of `loss` and `error`, and, where its wish says so, of `brier` and `confidence` too (SCORED; explorer.evaluate.proper_scores).
A network answers once for all of them. Two more are made of these sample by sample, so that their intervals and differences are as good:

    accuracy = 1 − error        overconfidence = confidence − accuracy

The Brier score is Σ_k (p_k − [k is true])², from 0 to 2 (Brier 1950, "Verification of Forecasts Expressed in Terms of Probability"); confidence the
probability of the class that is chosen. Overconfidence is 0 for a calibrated model, and for one whose faults in either direction cancel out: the expected
calibration error sees these, but is no sum over samples, so no field can keep it (explorer.stats.calibration; the Compare page). Perplexity is the exponential of
the mean loss of tokens, and its interval that of the loss through the same exponential.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points
from explorer.core.spec import Field, ProblemSpec
from explorer.stats import perplexity
from explorer.stats.bootstrap import band

PLAIN = ("loss", "error")
SCORED = (*PLAIN, "brier", "confidence")


@dataclass(frozen=True)
class Metric:
    """What one is called, and `constant` + Σ factor · measured sum of each sample. good: which values are the better ones, if any.

    exponential: what is shown is the exponential of that mean. percent: it is shown a hundred times as large.
    """

    name: str
    terms: tuple[tuple[str, float], ...]
    title: str = ""
    constant: float = 0.0
    good: Literal["low", "high", ""] = "low"
    percent: bool = False
    exponential: bool = False

    @property
    def called(self) -> str:
        """Its name for a person."""
        return self.title or self.name


_ALL = (
    Metric("loss", (("loss", 1.0),)),
    Metric("error", (("error", 1.0),), percent=True),
    Metric("accuracy", (("error", -1.0),), constant=1.0, good="high", percent=True),
    Metric("perplexity", (("loss", 1.0),), exponential=True),
    Metric("brier", (("brier", 1.0),), title="Brier score"),
    Metric("confidence", (("confidence", 1.0),), good="", percent=True),
    Metric("overconfidence", (("confidence", 1.0), ("error", 1.0)), constant=-1.0, good="", percent=True),
)
METRICS = {m.name: m for m in _ALL}


def find(name: str) -> Metric:
    """The metric of this name. Refused, with all names, when there is none."""
    if name not in METRICS:
        raise Refused(f"There is no metric {name!r}. There are: {', '.join(METRICS)}.")
    return METRICS[name]


def offered(problem: ProblemSpec) -> tuple[str, ...]:
    """Those that mean something for a problem: nothing is right where outputs are numbers, and no class is the true one without labels."""
    names = ["loss", "error"] if registry.classifies(problem.loss) else ["loss"]
    if perplexity.applies(problem):
        names.append("perplexity")
    if registry.classifies(problem.loss) and registry.targets_of(problem.loss) != "reference":
        names += ["accuracy", "brier", "confidence", "overconfidence"]
    return tuple(names)


def measurable(measured: Sequence[str], problem: ProblemSpec) -> None:
    """Refused when something else is to be measured than can be, of this problem's loss."""
    targets = registry.targets_of(problem.loss)
    if measured == ("confusion",):
        if targets != "classes":
            raise Refused(f"A confusion matrix needs classes, and the loss here is {problem.loss}. Choose the metrics loss, error.")
        return
    if unknown := set(measured) - set(SCORED):
        raise Refused(f"There is no metric {sorted(unknown)[0]!r} to measure. Metrics: {', '.join(SCORED)}; or confusion alone.")
    if not set(measured) <= set(PLAIN) and targets not in ("classes", "masked"):
        raise Refused(f"A Brier score and a confidence need classes, and the loss here is {problem.loss}. Choose the metrics loss, error.")


def given(field: Field) -> tuple[str, ...]:
    """Those of them that a field's sums give."""
    return tuple(m for m in offered(field.problem) if field_for(field, m) == field)


def needed(metric: str) -> tuple[str, ...]:
    """What a field must measure for it."""
    return PLAIN if {name for name, _ in find(metric).terms} <= set(PLAIN) else SCORED


def field_for(field: Field, metric: str) -> Field:
    """The field itself where it measures what the metric is made of; else the same field measured for it, too."""
    return field if {name for name, _ in find(metric).terms} <= set(field.metrics) else replace(field, metrics=needed(metric))


def column(points: Points, measured: Sequence[str], metric: str) -> Points:
    """Points with the one metric alone: (K, 1, B) sums; of an exponential, what it is taken of. Refused when it was not measured."""
    found = find(metric)
    if missing := [name for name, _ in found.terms if name not in measured]:
        raise Refused(f"For {found.called} the points must have {missing[0]!r}, and only {', '.join(measured)} were measured. Measure them for it.")
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
