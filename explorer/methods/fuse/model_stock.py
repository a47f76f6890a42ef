"""Model Stock: the mean of fine-tuned models, drawn back to their base the more they disagree. The first model is the base.

Jang, Yun & Han 2024, "Model Stock: All we need is just a few fine-tuned models", its formula for N models, for every tensor by itself:

    t = N·cos θ / (1 + (N − 1)·cos θ)        W = t · mean(W₁ … W_N) + (1 − t) · W₀

cos θ is the mean over all pairs of the cosine between their task vectors Wᵢ − W₀. That is the point nearest to the centre around which fine-tuning
scatters, if the models lie around it at equal distances and right angles. Equal models give t = 1 and so that model; right angles give t = 0 and so
the base. Wider angles count as right ones. It needs two or more models that were fine-tuned from the base with different seeds or settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import products, vectors
from explorer.checkpoints.passes import Kernel, Passes
from explorer.checkpoints.per_tensor import by_block, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (3, None)  # fewest and most models


def fuse(models: Sequence[Weights], problem: Problem, *, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. Buffers: the mean of the fine-tuned models'."""
    of_number(models, MODELS, "model_stock", "a base, and two or more models that were fine-tuned from it")
    count = len(models) - 1
    return by_block(models, problem, stock, buffers=(0.0, *[1 / count] * count), progress=progress)


def stock(passes: Passes) -> Iterator[Tensor]:
    """The kernel: the ratio from a first pass, what it gives from a second."""
    inner = products(list(vectors(tensors)) for tensors in passes())
    t = ratio(mean_cosine(inner), len(inner))
    return (drawn_back(tensors, t) for tensors in passes())


def stock_of_rows(width: int) -> Kernel:
    """The kernel with a ratio for each row along the last axis, `width` entries, instead of one for the tensor; its blocks must be whole rows."""

    def kernel(passes: Passes) -> Iterator[Tensor]:
        for tensors in passes():
            if not tensors[0].numel():
                yield tensors[0]
                continue
            rows = [t.reshape(-1, width) for t in tensors]
            changes = torch.stack(list(vectors(rows)))  # (N, rows, width)
            inner = torch.einsum("irw,jrw->rij", changes, changes).double().numpy()
            ratios = [ratio(mean_cosine(row), len(changes)) for row in inner]
            mixed = changes.mean(dim=0).mul_(torch.tensor(ratios, dtype=rows[0].dtype)[:, None]).add_(rows[0])
            yield mixed.view(tensors[0].shape)

    return kernel


def ratio(cosine: float, count: int) -> float:
    """t: how far to go from the base to the mean of `count` models."""
    cosine = max(cosine, 0.0)
    return min(count * cosine / (1 + (count - 1) * cosine), 1.0)


def mean_cosine(products: Array) -> float:
    """The mean cosine over all pairs of task vectors, from their (N, N) inner products; one that is zero is at right angles to all."""
    lengths = np.sqrt(np.diag(products))
    cosines = products / np.outer(lengths, lengths).clip(min=np.finfo(np.float64).tiny)
    pairs = np.triu_indices(len(products), k=1)
    return float(cosines[pairs].mean())


def drawn_back(tensors: Sequence[Tensor], t: float) -> Tensor:
    """The base tensors[0], gone by t towards the mean of the others; all in the precision that is computed in."""
    result = tensors[0].clone()
    for tensor in tensors[1:]:
        result.add_(tensor - tensors[0], alpha=t / (len(tensors) - 1))
    return result
