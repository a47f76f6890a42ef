"""SWAG: a model drawn from a Gaussian fitted to a training run's snapshots.

Maddox, Garipov, Izmailov, Vetrov & Wilson 2019, "A Simple Baseline for Bayesian Uncertainty in Deep Learning" (NeurIPS), with the mean θ̄, the
variance Σ_d by number, and the last K = `rank` deviations D̂:

    θ = θ̄ + √s Σ_d^½ z₁ + √s D̂ z₂ / √(K − 1)        s = `scale`

`rank` = 0 with `scale` = 1 is SWAG-Diagonal. One sample is a model like any other; what SWAG is for is the mean of many samples' answers, which the Train
page measures (`study/swag`). Sample 0 is the mean itself. The models are snapshots in the order of the training, best of one with a constant rate
(`train/swa`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from explorer.checkpoints.per_tensor import in_memory
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.swag_posterior import Gaussian


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    sample: Annotated[int, Range(0, 1000000000)] = 1,
    rank: Annotated[int, Range(0, 10000)] = 20,
    scale: Annotated[float, Range(0, 1000)] = 0.5,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `sample`: which of the seed's draws, from 1 on."""
    in_memory(models, "swag draws one sequence of random numbers for all layers")
    gaussian = Gaussian(models, problem, rank=rank, scale=scale, progress=progress)
    return gaussian.sample(seed, sample) if sample else gaussian.mean
