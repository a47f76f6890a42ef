"""NearSwap: where two models are near each other take the second, where they are far apart the first. The first model is the base.

alchemonaut 2024, "QuartetAnemoi" (as in mergekit). Entry by entry

    W = (1 − w)·A + w·B,        w = min(1, t / |A − B|)

so what differs by less than t is the second model's, and beyond that every entry goes at most t towards it. t is in units of the weights: for language models
the author takes about 0.0001. Differences below 10⁻⁶ count as that much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from explorer.checkpoints.per_tensor import by_entry, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, 2)  # fewest and most models
SMALLEST = 1e-6


def fuse(models: Sequence[Weights], problem: Problem, *, t: Annotated[float, Range(0, 1e6)] = 1e-3, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. Buffers: the base's."""
    of_number(models, MODELS, "nearswap", "a base, and one other model")
    return by_entry(models, problem, lambda tensors: swapped(tensors, t), buffers=(1.0, 0.0), progress=progress)


def swapped(tensors: Sequence[Tensor], t: float) -> Tensor:
    """The entries of A and B in wide precision, mixed."""
    change = tensors[1] - tensors[0]
    share = change.abs().clamp_(min=SMALLEST).reciprocal_().mul_(t).clamp_(min=0, max=1)
    return change.mul_(share).add_(tensors[0])
