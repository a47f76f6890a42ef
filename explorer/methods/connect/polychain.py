"""Polygonal chain: two models joined by straight legs over trained corners, the loss low on all of them.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", equations (1) and (2); with `sampling` arc_length their general
form, in which a long leg is trained more often than a short one. The ends stay as they are; the corners begin evenly spaced on the segment. With one
of them, two modes are joined by two segments: each leg is a straight line without a barrier. Needs what the Bézier curve needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.curve_training import State, Trained, Training, straight, train_along

CHART = "polychain"


def connect(
    ends: Sequence[Weights],
    problem: Problem,
    *,
    bends: Annotated[int, Range(1, 20)] = 1,
    epochs: Annotated[int, Range(1, 10000)] = 60,
    lr: Annotated[float, Range(0, 100)] = 0.05,
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9,
    weight_decay: Annotated[float, Range(0, 100)] = 0.0,
    batch: Annotated[int, Range(1, 1048576)] = 128,
    sampling: Literal["uniform", "arc_length"] = "uniform",
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[Trained]:
    """The corners between the ends after every epoch."""
    how = Training(epochs, lr, momentum, weight_decay, batch, seed, sampling)
    return train_along(CHART, ends, problem, straight(ends, bends), how, device=device, progress=progress, resume=resume)
