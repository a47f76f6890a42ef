"""Uniform soup: the plain mean of all models.

Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time":
1/N · Σ Wᵢ, summed first and divided last: the mean is rounded once, so the order of the models does not matter, and copies of one model give it back
bit for bit (of float64 models, to rounding).

It needs models in one basin, fine-tuned from one start or aligned before. One bad model can spoil the mean: a greedy soup tries each first.
"""

from __future__ import annotations

from collections.abc import Sequence

from explorer.checkpoints.per_tensor import linear
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem


def fuse(models: Sequence[Weights], problem: Problem, *, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes."""
    return linear(models, problem, (1.0,) * len(models), over=len(models), progress=progress)
