"""Task arithmetic: a base, plus or minus what fine-tuning added to it. The first model is the base.

Ilharco et al. 2023, "Editing Models with Task Arithmetic": τᵢ = Wᵢ − W₀ and W₀ + Σ λᵢ·τᵢ.

    learn several tasks   λ above 0 for each; the paper takes one λ for all, chosen on held-out samples
    forget a task         λ = −1 (or part of it)
    analogy               A is to B as C is to the result: models W₀, A, B, C with λ = −1, 1, 1

Worked out as (1 − Σ λᵢ)·W₀ + Σ λᵢ·Wᵢ, which is the same: so λ = 1 for one model gives it bit for bit, λ = 1/N each is the mean of the others, and
with one model it is an interpolation. Models must have been fine-tuned from this base. Running statistics are never extrapolated: they are the
mean with these coefficients, negative ones left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from explorer.checkpoints.per_tensor import linear, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(models: Sequence[Weights], problem: Problem, *, coefficients: tuple[float, ...] = (), progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. `coefficients`: λ for each model after the base, empty for 1/N each."""
    of_number(models, MODELS, "task_arithmetic", WANTED)
    count = len(models) - 1
    λ = coefficients or (1 / count,) * count
    if len(λ) != count:
        raise Refused(f"The base and {count} models need {count} coefficients, got {len(λ)}. The base has none.")
    if not all(map(math.isfinite, λ)):
        raise Refused(f"task_arithmetic needs finite coefficients, got {tuple(λ)}. 1 adds all that a model learned, -1 subtracts it.")
    return linear(models, problem, (1 - math.fsum(λ), *λ), progress=progress)
