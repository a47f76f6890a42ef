"""Iso-C: the sum of the task vectors with all singular values made equal. The first model is the base.

Marczak, Magistri, Cygert, Twardowski, Bagdanov & van de Weijer 2025, "No Task Left Behind: Isotropic Model Merging with Common and Task-Specific
Subspaces" (ICML), Algorithm 1. For every matrix, with the sum of the task matrices Σᵢ Wᵢ − W₀ = U diag(σ₁ … σ_r) Vᵀ of rank r:

    W = W₀ + scale · σ̄ U Vᵀ,        σ̄ = (σ₁ + … + σ_r)/r

so that directions which many tasks share do not drown those of a single one. What has one axis is averaged (times `scale`, as in the authors' code); a
convolution's kernel is a matrix with a row for each output channel.

The weakest directions are enlarged most. Singular values that are zero but for rounding are left out of the mean, and their vectors out of the sum; in the
noise of half-precision weights they are not zero, and it is enlarged as well. `scale` is to be chosen on held-out samples: with many tasks the
authors find values near 1. Changes of low rank (LoRA) have few directions, and stay among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_matrices import by_matrix, svd
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(models: Sequence[Weights], problem: Problem, *, scale: Annotated[float, Range(-10, 10)] = 1.0, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes."""
    return by_matrix(models, problem, merged, method="iso_c", scale=scale, progress=progress)


def merged(changes: Sequence[Tensor]) -> Tensor:
    """(m, n) task matrices to one change."""
    u, s, vh = svd(torch.stack(list(changes)).sum(dim=0))
    return u @ vh * (s.mean() if len(s) else 0.0)
