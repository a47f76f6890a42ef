"""SCE: changes that vary most among the models, weighed by their energy, without minority signs. The first model is the base.

Wan, Zhong, Yang, Chen & Quan 2024, "FuseChat: Knowledge Fusion of Chat Models" (arXiv 2408.07990), Section 3.3, as in mergekit. Of every tensor, with
τᵢ = Wᵢ − W₀

    select      the share `select` of the entries with the largest variance over the models stays, of those that vary at all; 1: everything
    calculate   λᵢ = the mean of τ̂ᵢ², over all models made to sum to 1
    erase       entries whose sign is not that of Σ τ̂ᵢ get no share
    W = W₀ + Σ λᵢ τ̂ᵢ / Σ λᵢ        over those that remain, entry by entry

With one model nothing varies: take `select` = 1, which gives that model. Where the signs balance the base's value stays. Equal variances are ranked in the order
in which they stand. Weights go with the square of a change: a model that was trained longer soon decides alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import elected, kept, magnitude, vectors
from explorer.checkpoints.passes import Kernel, Passes
from explorer.checkpoints.per_tensor import by_block, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._largest import Largest
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(models: Sequence[Weights], problem: Problem, *, select: Annotated[float, Range(0, 1)] = 1.0, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes."""
    of_number(models, MODELS, "sce", WANTED)
    count = len(models) - 1
    return by_block(models, problem, weighed(select), buffers=(0.0, *[1 / count] * count), progress=progress)


def weighed(select: float) -> Kernel:
    """The kernel: the selection, then the energies, then the sum."""

    def kernel(passes: Passes) -> Iterator[Tensor]:
        selection = _selection(passes, select)
        energies = [0.0]
        for changes in _selected(passes, selection):
            sizes = [float(c.square().sum(dtype=torch.float64)) for c in changes]
            energies = [e + s for e, s in zip(energies, sizes, strict=True)] if len(energies) == len(sizes) else sizes
        total = sum(energies)
        shares = [energy / total for energy in energies] if total else energies
        for changes, (base,) in zip(_selected(passes, selection), passes(0), strict=True):
            up, down = elected(changes)
            above, below = torch.zeros_like(base), torch.zeros_like(base)
            for share, change in zip(shares, changes, strict=True):
                agrees = ((change > 0) & up) | ((change < 0) & down)
                above.add_(change.mul_(agrees), alpha=share)
                below.add_(agrees.to(base.dtype), alpha=share)
            yield above.div_(below.add_(below == 0)).add_(base)

    return kernel


def _selection(passes: Passes, select: float) -> Largest | None:
    """Which variances are among the largest; None: everything stays."""
    if select >= 1:
        return None

    def variances(of: Passes) -> Iterator[Tensor]:
        return (magnitude(_variance(list(vectors(tensors)))) for tensors in of())

    count = int(sum(int(v.count_nonzero()) for v in variances(passes)) * select)
    return Largest.at(count, [passes], variances)


def _selected(passes: Passes, selection: Largest | None) -> Iterator[list[Tensor]]:
    """The changes, 0 where they were not selected."""
    among = selection.counted(passes.name) if selection else None
    for tensors in passes():
        changes = list(vectors(tensors))
        if among is not None:
            mask = among(magnitude(_variance(changes)))
            changes = [kept(change, mask) for change in changes]
        yield changes


def _variance(changes: Sequence[Tensor]) -> Tensor:
    """Over the models, entry by entry."""
    middle = sum(changes[1:], start=changes[0].clone()).div_(len(changes))
    total = torch.zeros_like(middle)
    for change in changes:
        apart = change - middle
        total.addcmul_(apart, apart)
    return total.div_(len(changes))
