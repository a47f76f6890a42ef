"""TALL mask: what one task needs of the sum of all task vectors. The first model is the base.

Wang, Dimitriadis, Ortiz-Jimenez, Fleuret & Frossard 2024, "Localizing Task Information for Improved Model Merging and Compression" (ICML), eqs. 4 and 5.
With τᵢ = Wᵢ − W₀ and τ = Σ τᵢ

    W = W₀ + mₜ ∘ τ,        mₜ = [ |τₜ| ≥ strictness · |τ − τₜ| ]        entry by entry, t = `task`

Compression: instead of every model one keeps the base, τ, and a bit for each weight and task (the paper's λ, `strictness`, is chosen from 0.2 to 0.6 on
each task's held-out samples). The result serves one task; for all of them at once take consensus. 0 keeps all of τ, and is task arithmetic with the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from explorer.checkpoints.per_tensor import by_entry, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
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
    task: Annotated[int, Range(1, 1000)] = 1,
    strictness: Annotated[float, Range(0, 100)] = 0.4,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `task`: which model after the base it is for, from 1 on. Buffers: that model's."""
    of_number(models, MODELS, "tall_mask", WANTED)
    if task >= len(models):
        raise Refused(f"tall_mask has {len(models) - 1} models after the base, and no task {task}. Give the number of one of them.")

    def kernel(tensors: list[Tensor]) -> Tensor:
        total, masks = masked_sum(tensors, strictness)
        return total.mul_(masks[task - 1]).add_(tensors[0])

    return by_entry(models, problem, kernel, buffers=[float(i == task) for i in range(len(models))], progress=progress)
