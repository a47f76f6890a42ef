"""Task arithmetic whose coefficients change with depth. The first model is the base.

The gradients of mergekit's recipes (Goddard et al. 2024, "Arcee's MergeKit"), for task arithmetic (Ilharco et al. 2023, "Editing Models with Task
Arithmetic"). With ℓ the layer out of L, counted from 0, and λᵢ the line through the values λᵢ,₁ … λᵢ,ₖ at equal distances from the first layer to the last:

    W_ℓ = W₀ + Σ λᵢ(ℓ/(L − 1)) · (Wᵢ,ℓ − W₀,ℓ)

One value is task arithmetic, two are LiNeS with a line for each model. Layers are found in the tensors' names, as numbered lists; embeddings and the
stem count as the first, what is outside, such as the head, as the last. Running statistics are the mean with the coefficients' averages over depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
from torch import Tensor

from explorer.checkpoints.arithmetic import mean, vectors
from explorer.checkpoints.layer_names import depths
from explorer.checkpoints.passes import Passes
from explorer.checkpoints.per_tensor import by_block, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
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
    coefficients: tuple[float, ...] = (),
    knots: Annotated[int, Range(1, 1000)] = 1,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `coefficients`: `knots` values from the first layer to the last of the first model after the base, then of the next;
    empty for 1/N throughout."""
    of_number(models, MODELS, "by_depth", WANTED)
    count = len(models) - 1
    given = coefficients or (1 / count,) * (count * knots)
    if len(given) != count * knots:
        raise Refused(f"{count} models with {knots} values each need {count * knots} coefficients, got {len(given)}. The base has none.")
    if not all(map(math.isfinite, given)):
        raise Refused(f"by_depth needs finite coefficients, got {given}. 1 adds all that a model learned, −1 subtracts it.")
    λ = np.array(given, dtype=np.float64).reshape(count, knots)
    at, places = depths(list(models[0])), np.linspace(0, 1, knots)

    def kernel(passes: Passes) -> Iterator[Tensor]:
        shares = [float(np.interp(at[passes.name], places, row)) for row in λ]
        return (mean(vectors(tensors), shares).add_(tensors[0]) for tensors in passes())

    return by_block(models, problem, kernel, buffers=(0.0, *λ.mean(axis=1).tolist()), progress=progress)
