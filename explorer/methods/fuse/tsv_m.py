"""TSV-Merge: the leading singular vectors of each task, made orthogonal to one another. The first model is the base.

Gargiulo, Crisostomi, Bucarelli, Scardapane, Silvestri & Rodolà 2025, "Task Singular Vectors: Reducing Task Interference in Model Merging" (CVPR),
Algorithm 1. For every matrix, with the task matrices Δᵢ = Wᵢ − W₀ = Uᵢ Σᵢ Vᵢᵀ of T models and their smaller side r, the first r/T components of
each are put side by side, U = [U₁ … U_T] and V = [V₁ … V_T], and both replaced by the nearest matrices of orthonormal columns:

    W = W₀ + scale · U⊥ Σ V⊥ᵀ,        U⊥ = P Qᵀ where U = P D Qᵀ

With one model it is that model. Where tasks use row and column spaces that are orthogonal, it is the sum of their changes, so `scale` is about 1 however
many models there are. What has one axis is averaged (times `scale`); a convolution's kernel is a matrix with a row for each output channel, where the
authors' code averages it. A share of r/T below 1 is taken to be 1. Of models that all learned the same the result is smaller than their change, for their
equal directions are pushed apart: take a mean then. Costs a singular value decomposition of every matrix of every model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_matrices import by_matrix, nearest_orthogonal, svd
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(models: Sequence[Weights], problem: Problem, *, scale: Annotated[float, Range(-10, 10)] = 1.0, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes."""
    return by_matrix(models, problem, merged, method="tsv_m", scale=scale, progress=progress)


def merged(changes: Sequence[Tensor]) -> Tensor:
    """(m, n) task matrices to one change."""
    each = max(min(changes[0].shape) // len(changes), 1)
    parts = [svd(change) for change in changes]
    u = torch.cat([u[:, :each] for u, _, _ in parts], dim=1)
    s = torch.cat([s[:each] for _, s, _ in parts])
    vh = torch.cat([vh[:each] for _, _, vh in parts])
    if not len(s):
        return torch.zeros_like(changes[0])
    return nearest_orthogonal(u) * s @ nearest_orthogonal(vh)
