"""What models are chosen by, and how it is written: the error, or the loss where nothing is right or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec
from explorer.stats.intervals import Estimate


@dataclass(frozen=True)
class Measure:
    """Lower is better: its column among the metrics, and how it and differences of it are written."""

    metric: Literal["error", "loss"]
    column: int
    scale: float
    title: str
    apart: str  # the unit of a difference, behind a title
    form: str

    def formatted(self, found: Estimate, *, signed: bool = False) -> str:
        """As it is shown, with its interval; the unit stands in the title."""
        return found.formatted(scale=self.scale, signed=signed)


ERROR = Measure("error", 1, 100.0, "error (%)", " (points)", ".2f")
LOSS = Measure("loss", 0, 1.0, "loss", "", ".4g")


def refuse(problem: ProblemSpec) -> None:
    """Refused where a loss knows of no better or worse: every model would be compared with itself."""
    if registry.targets_of(problem.loss) == "reference":
        raise Refused(
            f"Nothing can be selected by {registry.called(problem.loss).replace('_', ' ')}: it says how far outputs are from the first model's, not whether they are better."
            " Choose models of a problem with targets, or see on Interpolate and Landscape how far these move."
        )


def measure_of(problem: ProblemSpec) -> Measure:
    """The error for classes, the loss for numbers."""
    return ERROR if registry.classifies(problem.loss) else LOSS
