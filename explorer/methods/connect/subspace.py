"""Subspace: train a third corner, so that every mixture in the triangle between it and the two models has a low loss.

Wortsman et al. 2021, "Learning Neural Network Subspaces"; Benton et al. 2021, "Loss Surface Simplexes for Mode Connecting Volumes and Fast
Ensembling" (SPRO). With the two models θ₀, θ₂ as they are, the corner θ₁ minimises E_α L(Σ αᵢθᵢ) − reg·log Vol, α uniform in the triangle
(Dirichlet with all parameters 1) and Vol the triangle's area, √det G / 2 with G the Gram matrix of its edges. The gradient of log Vol is the unit
normal of the segment over the corner's height above it (explorer.methods.connect._simplex_volume): small triangles are pushed apart strongly, large ones hardly.

The corner begins above the middle of the segment, `height` times its length away in a random direction, tensor by tensor: on the segment the area would
be 0 and its logarithm without end. Corners are in the order first model, trained corner, second model; on the chart `simplex`, where the first corner
is the origin, λ2 is therefore the weight of the trained corner and λ3 that of the second model, and the segment between the models is λ2 = 0. That
segment belongs to the triangle and stays as it is: where it has a barrier, the triangle keeps it, so align the models first. Of the papers' general
simplex the chart holds three corners, so one is trained. Needs labelled data of the train split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import torch

from explorer.checkpoints.weights import Weights
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.connect._simplex_volume import growth
from explorer.problems.problem import Problem
from explorer.training.curve_training import State, TrainedCorners, straight, train_corners
from explorer.training.options import PathOptions

CHART = "simplex"


def connect(
    ends: Sequence[Weights],
    problem: Problem,
    *,
    reg: Annotated[float, Range(0, 1000)] = 0.01,
    height: Annotated[float, Range(0.0001, 100)] = 0.1,
    how: PathOptions = PathOptions(),
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """The corner between the ends after every epoch. With a positive reg, refused when the ends are the same model."""

    def draw(rng: np.random.Generator, inner: Array) -> Array:
        return rng.dirichlet(np.ones(len(inner)))

    def pull(inner: Array) -> Array:
        return -reg * growth(inner)

    start = above(ends, problem, height, how.seed)
    return train_corners(ends, problem, draw, [start], how, pull=pull if reg else None, device=device, progress=progress, resume=resume)


def above(ends: Sequence[Weights], problem: Problem, height: float, seed: int) -> Weights:
    """The middle of the segment plus a random direction: in every parameter `height` times as long as the ends' difference there.

    What is no parameter (statistics, counters) stays that of the middle.
    """
    (middle,) = straight(ends, 1)
    generator = torch.Generator().manual_seed(seed)
    for name in problem.parameters():
        a, b = (w[name].detach().to("cpu", torch.float64) for w in ends)
        direction = torch.randn(a.shape, generator=generator, dtype=torch.float64)
        if (length := float(direction.norm())) > 0:
            moved = (a + b) / 2 + height * float((b - a).norm()) / length * direction
            middle[name] = moved.to(middle[name].dtype)
    return middle
