"""WUDI-Merging: a change whose difference from each task's is not seen by that task, found without data. The first model is the base.

Cheng, Xiong, Wei, Zhu & Yuan 2025, "Whoever Started the Interference Should End It: Guiding Data-Free Model Merging via Task Vectors" (ICML).
The rows of a task matrix τᵢ = Wᵢ − W₀ lie about where the layer's inputs in that task do, so that for every matrix

    τ = argmin_τ Σᵢ ‖(τ − τᵢ) τᵢᵀ‖²_F / ‖τᵢ‖²_F,        W = W₀ + scale · τ

disturbs no task. It is quadratic, with the gradient 2 (τ A − B), A = Σ τᵢᵀτᵢ/‖τᵢ‖², B = Σ τᵢ τᵢᵀτᵢ/‖τᵢ‖². `solve` = "adam" goes from Σ τᵢ
`steps` steps of Adam at the rate `lr` down it, as the paper does (300 and 10⁻⁵), and so stays near the sum; "exact" takes the minimum, B A⁺, of which the
part is fixed that the gradient cannot see: none. One model gives itself. Tasks whose rows are orthogonal: the sum, where the loss is 0.

What has one axis is averaged (times `scale`); a convolution's kernel is a matrix with a row for each output channel, where the authors average it. The rate
of Adam is a length in weight space: with changes much larger or smaller than a fine-tuned transformer's take another, or "exact".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_matrices import by_matrix
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    solve: Literal["adam", "exact"] = "adam",
    steps: Annotated[int, Range(0, 100000)] = 300,
    lr: Annotated[float, Range(0, 10)] = 1e-5,
    scale: Annotated[float, Range(-10, 10)] = 1.0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `steps`, `lr`: of Adam."""
    merge = exact if solve == "exact" else partial(descended, steps=steps, lr=lr)
    return by_matrix(models, problem, merge, method="wudi", scale=scale, progress=progress)


def exact(changes: Sequence[Tensor]) -> Tensor:
    """The (m, n) minimum of the least norm."""
    quadratic, linear = _normal(changes)
    values, vectors = torch.linalg.eigh(quadratic)
    cut = values[-1] * len(values) * torch.finfo(values.dtype).eps
    inverse = torch.where(values > cut, 1 / values, torch.zeros_like(values))
    return (linear @ vectors * inverse) @ vectors.mT


def descended(changes: Sequence[Tensor], *, steps: int, lr: float) -> Tensor:
    """The (m, n) change after so many steps from the sum."""
    quadratic, linear = _normal(changes)
    merged = sum(changes[1:], start=changes[0].clone())
    optimizer = torch.optim.Adam([merged], lr=lr)
    for _ in range(steps):
        merged.grad = (merged @ quadratic - linear).mul_(2)
        optimizer.step()
    return merged


def _normal(changes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """A (n, n) and B (m, n); a task without a change has no part."""
    quadratic = changes[0].new_zeros(changes[0].shape[1], changes[0].shape[1])
    linear = torch.zeros_like(changes[0])
    for change in changes:
        if size := float(change.square().sum()):
            product = (change.mT @ change).div_(size)
            quadratic += product
            linear += change @ product
    return quadratic, linear
