"""Multi-SLERP: the mean direction of any number of models, at their mean length.

Goddard 2025, "Multi-SLERP" (mergekit). With the directions uᵢ = Wᵢ/‖Wᵢ‖ and weights that sum to 1, for every tensor by itself:

    W = Σ λᵢ ‖Wᵢ‖ · m/‖m‖,        m = Σ λᵢ uᵢ

mergekit takes the directions to the sphere's tangent space at m/‖m‖, averages them there and goes back; but that average is zero, Σ λᵢ (uᵢ − (uᵢ·m̂) m̂) =
m − ‖m‖ m̂, so this is what it gives. Two models of equal weight: slerp's midpoint at their mean length; for the mean in the sense of angles take karcher.

What is zero in one model has no direction and adds only its length. Directions that cancel are refused, of two models mixed linearly, as in mergekit.
One model is itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from explorer.checkpoints.arithmetic import products
from explorer.checkpoints.passes import Found, Kernel, Passes, each
from explorer.checkpoints.per_tensor import by_block, shares_of, sums
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem

EPS = 1e-8  # what lengths are enlarged by before they divide, and the length below which directions cancel


def fuse(models: Sequence[Weights], problem: Problem, *, weights: tuple[float, ...] = (), progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. `weights`: how much each counts, empty for equally."""
    shares = shares_of(weights, len(models), "multislerp")
    return by_block(models, problem, each(towards(shares)), buffers=shares, progress=progress)


def towards(shares: Sequence[float], eps: float = EPS) -> Found:
    """The sum that is the mean direction, at the mean length, of what the passes show."""

    def found(passes: Passes) -> Kernel:
        return sums((1.0,)) if len(shares) == 1 else sums(coefficients(products(passes()), shares, eps, passes.name))

    return found


def coefficients(products: Array, shares: Sequence[float], eps: float, what: str) -> tuple[float, ...]:
    """What each model is multiplied by, from their (N, N) inner products."""
    lengths = [math.sqrt(products[i, i]) for i in range(len(shares))]
    inward = [share / (length + eps) for share, length in zip(shares, lengths, strict=True)]
    size = math.sqrt(max(math.fsum(a * b * products[i, j] for i, a in enumerate(inward) for j, b in enumerate(inward)), 0.0))
    if size < eps:
        if len(shares) == 2 or not any(lengths):
            return tuple(shares)
        raise Refused(
            f"multislerp found that the models' directions cancel in {what}, so they have no mean. Use other weights, or align the models first."
        )
    length = math.fsum(share * length for share, length in zip(shares, lengths, strict=True))
    return tuple(length / size * c for c in inward)
