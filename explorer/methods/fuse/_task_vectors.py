"""Task vectors τᵢ = Wᵢ − W₀: what fine-tuning added to a base, thinned out, and merged with or without an election of signs.

Ilharco et al. 2023, "Editing Models with Task Arithmetic" (the vectors); Yadav et al. 2023, "TIES-Merging" (election and disjoint mean). A
method says which entries of a vector stay; the rest is the same for all of them:

    W₀ + scale · mean(τ̂₁ … τ̂ₙ)                          without election
    W₀ + scale · mean of the τ̂ᵢ whose sign was elected     entry by entry, entries that are zero having no vote and no share

The elected sign is that of Σ wᵢ·τ̂ᵢ ("mass") or of Σ wᵢ·sgn τ̂ᵢ ("count"). Where the votes are equal, no sign is elected and the base's value stays:
so the result depends neither on the order of the models nor on which sign is called the positive one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from torch import Tensor

from explorer.checkpoints.arithmetic import Elect, disjoint_sum, kept, magnitude, mean, vectors
from explorer.checkpoints.passes import All, Found, FromAll, Kernel, Passes, each
from explorer.checkpoints.per_tensor import by_block, of_number, shares_of
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.methods.fuse._largest import Largest
from explorer.problems.problem import Problem

Thin: TypeAlias = Callable[[Tensor], Tensor]
"""What stays of a task vector's blocks, one after another; a block is its own to write to."""

Stays: TypeAlias = Callable[[str], Thin]
"""`stays(name)`: what stays of one tensor, from its first block on."""

Keep: TypeAlias = Callable[[Passes, int], Stays]
"""`keep(passes, i)`: what stays of the i-th model's task vector, the base being the 0th, by what the passes show of it."""

WANTED = "a base, and one or more models that were fine-tuned from it"


def merged(
    models: Sequence[Weights],
    problem: Problem,
    keep: Keep,
    *,
    method: str,
    weights: Sequence[float],
    elect: Elect,
    scale: float,
    whole: bool = False,
    rows: bool = False,
    progress: Progress = quiet,
) -> Weights:
    """The base models[0] plus what stays of the others' task vectors; `weights` relative, one for each of the others. Buffers: the others' mean.

    `whole`: what stays is decided from the whole models, not from each tensor. `rows`: it is decided row by row.
    """
    of_number(models, (2, None), method, WANTED)
    shares = shares_of(weights, len(models) - 1, method)
    found = tasks([keep] * len(shares), shares, elect, scale)
    return by_block(models, problem, FromAll(found) if whole else each(found), buffers=(0.0, *shares), rows=rows, progress=progress)


def tasks(keeps: Sequence[Keep], weights: Sequence[float], elect: Elect, scale: float, *, normalise: bool = True) -> Found:
    """The base plus scale · Σ wᵢ·τ̂ᵢ; where signs are elected, over those that agree, and `normalise` divides by the Σ wᵢ of these."""

    def found(passes: Passes) -> Kernel:
        stays = [keep(passes, i) for i, keep in enumerate(keeps, start=1)]

        def kernel(passes: Passes) -> Iterator[Tensor]:
            thins = [stay(passes.name) for stay in stays]
            for tensors in passes():
                thinned = (thin(vector) for thin, vector in zip(thins, vectors(tensors), strict=True))
                if elect == "none":
                    change = mean(thinned, weights)
                else:
                    change, weight = disjoint_sum(thinned, weights, elect)
                    if normalise:
                        change.div_(weight.add_(weight == 0))
                yield change.mul_(scale).add_(tensors[0])

        return kernel

    return found


def everything(passes: Passes, model: int) -> Stays:
    """Every change stays."""
    return lambda name: lambda vector: vector


def between(last: int, first: int = 1) -> Keep:
    """Of the magnitudes in order, those from the `last`-th largest to the `first`-th largest stay; the largest is the first.

    Exactly that many: of entries that are equally large the earlier ones count as larger. Changes of half-precision models are few distinct
    multiples of their last digit, so equal ones are the rule there.
    """

    def keep(passes: Passes, model: int) -> Stays:
        parts = sorted(passes.parts, key=lambda part: part.name) if isinstance(passes, All) else [passes]  # files have orders of their own

        def magnitudes(*of: Passes) -> Iterator[Tensor]:
            return (magnitude(tuned - base) for part in of for base, tuned in part(0, model))

        if last < first:
            return lambda name: lambda vector: vector.zero_()
        low = Largest.at(last, parts, magnitudes)
        high = Largest.at(first - 1, parts, magnitudes)

        def stays(name: str) -> Thin:
            among, beyond = low.counted(name), high.counted(name)

            def thin(vector: Tensor) -> Tensor:
                sizes = magnitude(vector)
                mask = among(sizes)
                return kept(vector, mask if first == 1 else mask & ~beyond(sizes))

            return thin

        return stays

    return keep
