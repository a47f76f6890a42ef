"""Model Stock: the mean of fine-tuned models, drawn back to their base the more they disagree. The first model is the base.

Jang, Yun & Han 2024, "Model Stock: All we need is just a few fine-tuned models", its formula for N models, for every tensor by itself:

    t = N·cos θ / (1 + (N − 1)·cos θ)        W = t · mean(W₁ … W_N) + (1 − t) · W₀

cos θ is the mean over all pairs of the cosine between their task vectors Wᵢ − W₀. That is the point nearest to the centre around which fine-tuning
scatters, if the models lie around it at equal distances and right angles. Equal models give t = 1 and so that model; right angles give t = 0 and so
the base. Wider angles count as right ones. It wants two or more models that were fine-tuned from the base with different seeds or settings.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explorer.fusing import by_tensor, of_number, wide
from explorer.matching import Progress, quiet
from explorer.problem import Problem
from explorer.task_vectors import vectors
from explorer.weights import Weights

BASE = True  # the first model is the base
MODELS = (3, None)  # fewest and most models


def fuse(models: Sequence[Weights], problem: Problem, *, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. Buffers: the mean of the fine-tuned models'."""
    of_number(models, MODELS, "model_stock", "a base, and two or more models that were fine-tuned from it")
    count = len(models) - 1
    return by_tensor(models, problem, lambda _, tensors: _stock(tensors), buffers=(0.0, *[1 / count] * count), progress=progress)


def ratio(cosine: float, count: int) -> float:
    """t: how far to go from the base to the mean of `count` models."""
    cosine = max(cosine, 0.0)
    return min(count * cosine / (1 + (count - 1) * cosine), 1.0)


def cosine_between(tensors: Sequence[Tensor]) -> float:
    """The mean cosine over all pairs of task vectors; one that is zero is at right angles to all.

    Of unit vectors u, Σ over pairs of ⟨uᵢ, uⱼ⟩ = (‖Σ u‖² − Σ ‖u‖²)/2: one vector is held at a time.
    """
    count, nonzero = len(tensors) - 1, 0
    total = torch.zeros_like(wide(tensors[0]))
    for vector in vectors(tensors):
        if norm := float(vector.norm()):
            total.add_(vector, alpha=1 / norm)
            nonzero += 1
    return (float(total.square().sum()) - nonzero) / (count * (count - 1))


def _stock(tensors: Sequence[Tensor]) -> Tensor:
    count = len(tensors) - 1
    t = ratio(cosine_between(tensors), count)
    result = wide(tensors[0]).clone()
    for vector in vectors(tensors):
        result.add_(vector, alpha=t / count)
    return result
