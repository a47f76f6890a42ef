"""Consensus merging: only changes that at least two tasks need. The first model is the base.

Wang, Dimitriadis, Ortiz-Jimenez, Fleuret & Frossard 2024, "Localizing Task Information for Improved Model Merging and Compression" (ICML), eqs. 5 and 6:
Consensus TA. With τᵢ = Wᵢ − W₀ and τ = Σ τᵢ, entry by entry

    mᵢ = [ |τᵢ| ≥ strictness · |τ − τᵢ| ]        what task i needs (its TALL mask)
    W = W₀ + scale · τ/N        where Σ mᵢ ≥ `agree`, and W₀ elsewhere

What nobody needs is noise of the sum, what one task alone needs serves it and harms the others. (The paper adds scale · τ: that is a scale of as many as
there are models.) `agree` = 0 is the mean of the models; 1 drops only what nobody needs. The paper takes `agree` = 2, and `strictness` from 0.2 to 0.6, and
`scale`, chosen on held-out samples. With equal models everything is needed by all as long as `strictness` is at most 1/(N − 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.per_tensor import by_entry, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._tall_masks import masked_sum
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    agree: Annotated[int, Range(0, 1000)] = 2,
    strictness: Annotated[float, Range(0, 100)] = 0.4,
    scale: Annotated[float, Range(-100, 100)] = 1.0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `agree`: how many tasks need a change that stays, counted as all of them where there are fewer."""
    of_number(models, MODELS, "consensus", WANTED)
    count = len(models) - 1

    def kernel(tensors: list[Tensor]) -> Tensor:
        total, masks = masked_sum(tensors, strictness)
        needed = torch.stack(masks).sum(dim=0) >= min(agree, count)
        return total.mul_(needed).mul_(scale / count).add_(tensors[0])

    return by_entry(models, problem, kernel, buffers=(0.0, *[1 / count] * count), progress=progress)
