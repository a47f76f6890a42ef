"""Weighted average of the weights: Σ λᵢ·Wᵢ.

Utans 1996, "Weight averaging for neural networks and local resampling schemes"; Wortsman et al. 2022, "Model soups". One weight of 1 and zeros
elsewhere gives that model bit for bit; integer buffers are the first model's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from explorer.checkpoints.per_tensor import linear
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem


def fuse(
    models: Sequence[Weights], problem: Problem, *, weights: tuple[float, ...] = (), normalise: bool = False, progress: Progress = quiet
) -> Weights:
    """One model of the models' shapes. `weights`: one per model, empty for equal ones; `normalise` divides them by their sum."""
    λ = weights or (1 / len(models),) * len(models)
    if len(λ) != len(models):
        raise Refused(f"{len(models)} models need {len(models)} weights, got {len(λ)}.")
    total = math.fsum(λ) if normalise else 1.0
    if abs(total) < 1e-8:
        raise Refused("The weights sum to zero, so they cannot be normalised. Change a weight, or switch 'normalise' off.")
    return linear(models, problem, λ, over=total, progress=progress)
