"""Complex of simplexes: two models in a simplex each, which share their trained corners, so that many paths lead from one to the other.

Benton et al. 2021, "Loss Surface Simplexes for Mode Connecting Volumes and Fast Ensembling" (SPRO, simplicial pointwise random optimization). With
the shared corners θ₁ … θ_b, the complex is K = S(A, θ₁ … θ_b) ∪ S(θ₁ … θ_b, B). The models stay as they are; the shared corners minimise

    E_x L(x) − reg·(log Vol S(A, θ…) + log Vol S(θ…, B)),    x = Σ αᵢ·cornerᵢ, α ~ Dirichlet(1 … 1) in one of the two simplexes, drawn evenly.

The gradient of a log volume is `explorer.methods.connect._simplex_volume.growth`, from the corners' Gram matrix. The sum of the logarithms is largest for two large
simplexes; the logarithm of the sum would leave the smaller one alone. The segment between the models is not part of the complex: unlike that of
`subspace` it can be low everywhere where the segment has a barrier, and the models need not be aligned first.

The corners begin around the middle of the segment, each `height` times its length away in a random direction of its own: where corners coincide or
lie on a line the volume is 0 and its logarithm without end. With `bends` shared corners the simplexes have `bends` dimensions; with one they are the
two legs of a polygonal chain, and their volume is the length. The more corners, the lower the loss is asked to be over more of the space, and the
higher it ends. The paths of the explorer's pictures go through the middle of the shared corners (chart `complex`), which is not where the loss is
highest: a low picture does not say that the whole complex is low. Needs labelled data of the train split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np

from explorer.checkpoints.weights import Weights
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.connect._simplex_volume import growth
from explorer.methods.connect.subspace import above
from explorer.problems.problem import Problem
from explorer.training.curve_training import State, TrainedCorners, train_corners
from explorer.training.options import PathOptions

CHART = "complex"


def connect(
    ends: Sequence[Weights],
    problem: Problem,
    *,
    bends: Annotated[int, Range(1, 6)] = 2,
    reg: Annotated[float, Range(0, 1000)] = 0.1,
    height: Annotated[float, Range(0.0001, 100)] = 0.1,
    how: PathOptions = PathOptions(),
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """The shared corners after every epoch. With a positive reg, refused when the ends are the same model."""

    def pull(inner: Array) -> Array:
        return -reg * spread(inner)

    start = around(ends, problem, bends, height, how.seed)
    return train_corners(ends, problem, draw, start, how, pull=pull if reg else None, device=device, progress=progress, resume=resume)


def draw(rng: np.random.Generator, inner: Array) -> Array:
    """(C,) coefficients of a point, uniform in one of the two simplexes: the first or the last of them is 0."""
    α = rng.dirichlet(np.ones(len(inner) - 1))
    return np.append(α, 0.0) if rng.random() < 0.5 else np.insert(α, 0, 0.0)


def spread(inner: Array) -> Array:
    """(C, C) gradient of the sum of the two simplexes' log volumes, from the Gram matrix of all corners; rows as in `growth`."""
    rows = np.zeros_like(inner)
    for side in (slice(None, -1), slice(1, None)):
        rows[side, side] += growth(inner[side, side])
    return rows


def around(ends: Sequence[Weights], problem: Problem, bends: int, height: float, seed: int) -> list[Weights]:
    """Corners around the middle of the segment, each in a random direction of its own (`above`); no two seeds share one."""
    seeds = np.random.SeedSequence(seed).generate_state(bends).tolist()
    return [above(ends, problem, height, s) for s in seeds]
