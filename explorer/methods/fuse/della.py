"""DELLA: drop changes at random, small ones more often than large ones. The first model is the base.

Deep, Bhardwaj & Poria 2024, "DELLA-Merging: Reducing Interference in Model Merging through Magnitude-Based Sampling". The entries of a
task vector that lead to one unit (a row of the tensor; a tensor with one axis is one row) are ranked by magnitude, the largest of n having rank 0,
and the entry of rank r is dropped with the probability

    p = drop + spread · ((r + ½)/n − ½)

evenly spaced over a window of the width `spread` whose mean is `drop`. What stays is divided by 1 − p, so that its expectation is what it was; then
signs are elected and the entries that stayed and agree are averaged, as in ties: changes come out about 1/(1 − drop) times as large, so take a
`scale` of about 1 − drop. A spread of 0 is dare with the same election. Equal magnitudes are ranked in the order in which they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import draws, dropped
from explorer.checkpoints.passes import Passes
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_vectors import Keep, Stays, Thin, merged
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    drop: Annotated[float, Range(0, 0.999)] = 0.5,
    spread: Annotated[float, Range(0, 1)] = 0.2,
    elect: Literal["none", "mass", "count"] = "mass",
    weights: tuple[float, ...] = (),
    scale: Annotated[float, Range(-10, 10)] = 1.0,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `weights`: how much each model after the base counts, empty for equally."""
    if drop - spread / 2 < 0 or drop + spread / 2 >= 1:
        raise Refused(
            f"della's probabilities would run from {drop - spread / 2:g} to {drop + spread / 2:g}; they must lie between 0 and 1. Use a smaller spread."
        )

    keep = dropping(drop, spread, seed)
    return merged(models, problem, keep, method="della", weights=weights, elect=elect, scale=scale, rows=True, progress=progress)


def dropping(drop: float, spread: float, seed: int, *, rescale: bool = True) -> Keep:
    """Entries of a row are dropped with a probability that rises with their rank in it; it needs whole rows. `rescale`: as of dare."""

    def keep(passes: Passes, model: int) -> Stays:
        def stays(name: str) -> Thin:
            generator = draws(seed, model - 1, name)

            def thin(vector: Tensor) -> Tensor:
                p = probabilities(vector, drop, spread)
                stay = dropped(vector, p, generator)
                return stay if rescale else stay.mul_(1 - p)

            return thin

        return stays

    return keep


def probabilities(vector: Tensor, drop: float, spread: float) -> Tensor:
    """The probability with which each entry is dropped, of the vector's shape."""
    rows = (vector.flatten(1) if vector.dim() > 1 else vector.reshape(1, -1)).abs()
    n = max(rows.shape[1], 1)
    order = rows.argsort(dim=1, descending=True, stable=True)
    spaced = (torch.arange(n, dtype=vector.dtype) + 0.5) / n - 0.5
    ranked = torch.empty_like(rows).scatter_(1, order, spaced.expand(rows.shape)) if rows.numel() else rows
    return ranked.mul_(spread).add_(drop).reshape(vector.shape)
