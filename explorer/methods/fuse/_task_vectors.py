"""Task vectors τᵢ = Wᵢ − W₀: what fine-tuning added to a base, thinned out, and merged with or without an election of signs.

Ilharco et al. 2023, "Editing Models with Task Arithmetic" (the vectors); Yadav et al. 2023, "TIES-Merging" (election and disjoint mean). A
method says which entries of a vector stay; the rest is the same for all of them:

    W₀ + scale · mean(τ̂₁ … τ̂ₙ)                          without election
    W₀ + scale · mean of the τ̂ᵢ whose sign was elected     entry by entry, entries that are zero having no vote and no share

The elected sign is that of Σ wᵢ·τ̂ᵢ ("mass") or of Σ wᵢ·sgn τ̂ᵢ ("count"). Where the votes are equal, no sign is elected and the base's value stays:
so the result depends neither on the order of the models nor on which sign is called the positive one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import Tensor

from explorer.checkpoints.arithmetic import Elect, disjoint_mean, mean, vectors, wide
from explorer.checkpoints.per_tensor import by_tensor, of_number, shares_of
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem

Thin: TypeAlias = Callable[[int, str, Tensor], Tensor]
"""`thin(i, name, vector)`: what stays of one tensor of the i-th task vector; the vector is its own to write to."""

WANTED = "a base, and one or more models that were fine-tuned from it"


def merged(
    models: Sequence[Weights],
    problem: Problem,
    thin: Thin,
    *,
    method: str,
    weights: Sequence[float],
    elect: Elect,
    scale: float,
    progress: Progress = quiet,
) -> Weights:
    """The base models[0] plus what stays of the others' task vectors; `weights` relative, one for each of the others. Buffers: the others' mean."""
    of_number(models, (2, None), method, WANTED)
    shares = shares_of(weights, len(models) - 1, method)

    def kernel(name: str, tensors: Sequence[Tensor]) -> Tensor:
        thinned = (thin(i, name, vector) for i, vector in enumerate(vectors(tensors)))
        return (mean(thinned, shares) if elect == "none" else disjoint_mean(thinned, shares, elect)).mul_(scale).add_(wide(tensors[0]))

    return by_tensor(models, problem, kernel, buffers=(0.0, *shares), progress=progress)
