"""LiNeS: changes scaled up from the first layers to the last. The first model is the base.

Wang, Dimitriadis, Favero, Ortiz-Jimenez, Fleuret & Frossard 2025, "LiNeS: Post-training Layer Scaling Prevents Forgetting and Enhances Model Merging"
(ICLR; arXiv 2024), eq. 3. With τ the mean of the task vectors Wᵢ − W₀ and ℓ the layer out of L, counted from 0:

    W_ℓ = W₀ + (first + (last − first) · ℓ/(L − 1)) · τ_ℓ

The first layers extract what all tasks use, and are kept near the base; the last ones are a task's own. With one model it is fine-tuning that forgets less
(`last` = 1, `first` below it); with several it takes the place of task arithmetic's one scale, where the paper writes α and β = last − first for the
sum of the task vectors: these are our values divided by the number of models.

Layers are found in the tensors' names, as numbered lists; embeddings, patches and the stem before them count as the first, everything else outside, such as
the last norm and the head, as the last (the authors' code gives all of that the first one's scale; their models have no head). Without a numbered list
all is scaled by `last`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from torch import Tensor

from explorer.checkpoints.arithmetic import mean, vectors
from explorer.checkpoints.layer_names import depths
from explorer.checkpoints.passes import Passes
from explorer.checkpoints.per_tensor import by_block, of_number, shares_of
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    first: Annotated[float, Range(-100, 100)] = 0.5,
    last: Annotated[float, Range(-100, 100)] = 1.0,
    weights: tuple[float, ...] = (),
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `weights`: how much each model after the base counts, empty for equally."""
    of_number(models, MODELS, "lines", WANTED)
    shares = shares_of(weights, len(models) - 1, "lines")
    at = depths(list(models[0]))

    def kernel(passes: Passes) -> Iterator[Tensor]:
        scale = first + (last - first) * at[passes.name]
        return (mean(vectors(tensors), shares).mul_(scale).add_(tensors[0]) for tensors in passes())

    return by_block(models, problem, kernel, buffers=(0.0, *shares), progress=progress)
