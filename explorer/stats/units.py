"""The units that numbers are shown in: errors in percent, their differences in points, a loss in its own unit, which may be none."""

from __future__ import annotations

from explorer.core import registry
from explorer.core.spec import ProblemSpec
from explorer.stats import metrics


def scale(metric: str) -> float:
    """What a number of the metric is multiplied by to be shown."""
    return 100.0 if metrics.find(metric).percent else 1.0


OF_THE_LOSS = "of the loss"  # the unit of a metric that has the loss's own


def of_level(problem: ProblemSpec, metric: str) -> str:
    """The unit of a value of the metric; "" where it, or the problem's loss, has none."""
    found = metrics.find(metric)
    return registry.unit_of(problem.loss) if found.unit == OF_THE_LOSS else found.unit or ("%" if found.percent else "")


def of_gap(problem: ProblemSpec, metric: str) -> str:
    """The unit of a difference of two values, such as a barrier."""
    found = metrics.find(metric)
    return found.gap or ("points" if found.percent else of_level(problem, metric))


def negligible(problem: ProblemSpec, metric: str, ends: tuple[float, float]) -> float:
    """The height of a barrier below which two models count as connected, in the metric's own numbers.

    Of a share, 0.02: Frankle et al. 2020 ("Linear Mode Connectivity and the Lottery Ticket Hypothesis") call an instability below 2 points of error none. Of a
    loss in nats, 0.02: a factor of 1.02 in likelihood, or in perplexity. Of others, a twentieth of the mean of the ends.
    """
    if metrics.find(metric).percent or of_level(problem, metric) in ("nat", "nats"):
        return 0.02
    return 0.05 * abs(sum(ends) / 2)


def titled(text: str, unit: str) -> str:
    """The head of a column, or an axis, with its unit in brackets where there is one."""
    return f"{text} ({unit})" if unit else text


def after(unit: str) -> str:
    """The unit as it follows a number."""
    return f" {unit}" if unit else ""
