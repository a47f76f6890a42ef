"""Polygonal chain: two models joined by straight segments through trained corners, with low loss along all of them.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", equations (1) and (2); with `sampling` arc_length their general
form, in which a long leg is trained more often than a short one. The ends stay as they are; the corners begin evenly spaced on the segment. With one
of them, two modes are joined by two segments, each a straight line along which training lowers the loss. Needs what the Bézier curve needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.curve_training import State, TrainedCorners, straight, train_along
from explorer.training.options import CurveOptions

CHART = "polychain"


def connect(
    ends: Sequence[Weights],
    problem: Problem,
    *,
    bends: Annotated[int, Range(1, 20)] = 1,
    how: CurveOptions = CurveOptions(),
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """The corners between the ends after every epoch."""
    return train_along(CHART, ends, problem, straight(ends, bends), how, device=device, progress=progress, resume=resume)
