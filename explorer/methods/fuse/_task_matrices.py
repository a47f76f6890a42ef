"""Task vectors of weight matrices Δᵢ = Wᵢ − W₀, merged matrix by matrix by their singular vectors.

A matrix is a tensor of two axes or more: (units, all that leads to one), as a convolution's kernel is one with a row for each output channel. What has one
axis or none (biases, gains) is the mean of the task vectors. Everything is computed on the tensor in one piece, in float64, half precision in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from explorer.checkpoints import singular_values
from explorer.checkpoints.arithmetic import mean, wide
from explorer.checkpoints.per_tensor import by_tensor, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

MergeMatrices: TypeAlias = Callable[[list[Tensor]], Tensor]
"""(m, n) task matrices Δ₁ … Δ_T → one (m, n) change."""


def by_matrix(
    models: Sequence[Weights], problem: Problem, merge: MergeMatrices, *, method: str, scale: float, shares: Sequence[float] = (), progress: Progress
) -> Weights:
    """The base models[0] plus scale · what `merge` makes of the others' task matrices, or of vectors their mean. Buffers: the others' mean.

    `shares`: of the others in these means, with the sum 1; empty for equal ones.
    """
    of_number(models, (2, None), method, WANTED)
    shares = shares or (1 / (len(models) - 1),) * (len(models) - 1)

    def kernel(name: str, tensors: Sequence[Tensor]) -> Tensor:
        base = wide(tensors[0])
        changes = [wide(t) - base for t in tensors[1:]]
        if base.dim() < 2 or not base.numel():
            return base + scale * mean(changes, shares)
        return base + scale * merge([c.flatten(1) for c in changes]).reshape(base.shape)

    return by_tensor(models, problem, kernel, buffers=(0.0, *shares), progress=progress)


def svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U (m, r), σ (r,), Vᵀ (r, n) with r the rank: without the singular values that are zero but for rounding, whose vectors say nothing."""
    u, s, vh = singular_values.svd(matrix)
    rank = int((s > s[:1] * max(matrix.shape) * torch.finfo(s.dtype).eps).sum())
    return u[:, :rank], s[:rank], vh[:rank]


def nearest_orthogonal(matrix: Tensor) -> Tensor:
    """The matrix of orthonormal columns (or rows, where it has more of them) nearest to it: its polar factor, Schönemann's Procrustes solution."""
    u, _, vh = singular_values.svd(matrix)
    return u @ vh
