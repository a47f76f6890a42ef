"""Learned line: a line that starts between two models and is trained until all of it has low loss while its ends stay different.

Wortsman et al. 2021, "Learning Neural Network Subspaces" (lines). The ends θ₁, θ₂ of the line minimise

    E_α L((1 − α)·θ₁ + α·θ₂) + β·cos²(θ₁, θ₂),    α uniform in [0, 1], cos the cosine of all parameters as one vector:

without the second term the two would fall together, and a line that is a point is low but says nothing. Its gradient for θ₁ is
2·cos²·(θ₂/⟨θ₁, θ₂⟩ − θ₁/⟨θ₁, θ₁⟩), and with the names exchanged for θ₂: one product of all pairs of corners, no pass through the network.

The paper begins with two random networks. Here the line begins as the segment between the two models, which stay as they are: the path is A, θ₁, θ₂,
B, a third of t for each leg (chart `polychain`). Only the middle leg is trained. The outer ones say how far a model is from the line that it became,
and may have a barrier of their own; where the line had to move far, look at them first. Needs labelled data of the train split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np

from explorer.checkpoints.weights import Weights, compatible, mix
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.curve_training import State, TrainedCorners, train_corners
from explorer.training.options import PathOptions

CHART = "polychain"
BENDS = 2


def connect(
    ends: Sequence[Weights],
    problem: Problem,
    *,
    beta: Annotated[float, Range(0, 1000)] = 1.0,
    how: PathOptions = PathOptions(),
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """The two ends of the line after every epoch. With a positive beta, refused when all weights of a model are zero."""

    def draw(rng: np.random.Generator, inner: Array) -> Array:
        α = float(rng.random())
        return np.array([0.0, 1.0 - α, α, 0.0])

    def pull(inner: Array) -> Array:
        rows = np.zeros_like(inner)
        rows[1:-1, 1:-1] = beta * alikeness(inner[1:-1, 1:-1])
        return rows

    compatible(ends, ["the first end", "the second end"])
    start = [mix(ends, one) for one in ((1.0, 0.0), (0.0, 1.0))]
    return train_corners(ends, problem, draw, start, how, pull=pull if beta else None, device=device, progress=progress, resume=resume)


def alikeness(inner: Array) -> Array:
    """(2, 2) gradient of cos² of two vectors from their Gram matrix: row i holds, as coefficients of the two, the gradient for vector i."""
    (aa, ab), (_, bb) = inner.tolist()
    if not aa > 0 or not bb > 0:
        raise Refused("All weights of an end of the line are zero, so it has no angle to the other one. Use beta = 0, or another model.")
    cos2 = ab * ab / (aa * bb)
    return 2 * np.array([[-cos2 / aa, ab / (aa * bb)], [ab / (aa * bb), -cos2 / bb]])
