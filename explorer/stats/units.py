"""The units that numbers are shown in: errors in percent, their differences in points, a loss in its own unit, which may be none."""

from __future__ import annotations

from explorer.core import registry
from explorer.core.spec import ProblemSpec
from explorer.stats import metrics


def scale(metric: str) -> float:
    """What a number of the metric is multiplied by to be shown."""
    return 100.0 if metrics.find(metric).percent else 1.0


def of_level(problem: ProblemSpec, metric: str) -> str:
    """The unit of a value of the metric; "" where it, or the problem's loss, has none."""
    if metric == "overconfidence":
        return "points"
    return "%" if metrics.find(metric).percent else registry.unit_of(problem.loss) if metric == "loss" else ""


def of_gap(problem: ProblemSpec, metric: str) -> str:
    """The unit of a difference of two values, such as a barrier."""
    return "points of error" if metric == "error" else registry.unit_of(problem.loss)


def titled(text: str, unit: str) -> str:
    """The head of a column, or an axis, with its unit in brackets where there is one."""
    return f"{text} ({unit})" if unit else text


def after(unit: str) -> str:
    """The unit as it follows a number."""
    return f" {unit}" if unit else ""
