"""Bézier curve: bend the path between two models until the loss is low all along it.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", equations (1) to (3); with `sampling` arc_length their general
form, in which every piece of the curve counts by its length. The ends stay as they are; the bends begin on the segment between them, where the curve
is the segment, and are trained by stochastic gradients at random points of the curve. Needs labelled data of the train split, and about as much time
as training a network for the same number of epochs. A curve that was trained is judged on other samples than it was trained on.
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

CHART = "bezier"


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
    """The bends after every epoch."""
    return train_along(CHART, ends, problem, straight(ends, bends), how, device=device, progress=progress, resume=resume)
