"""Arcee Fusion: take over only the most important changes of another model. The first model is the base.

Arcee AI 2025, "Arcee Fusion" (mergekit). The importance of an entry is how much it changed, times how much its row did as a distribution:

    s = |B − A| · KL(softmax B_row ‖ softmax A_row)        W = B where s ≥ median(s) + 1.5 · (q₃ − q₁), and A elsewhere

q₁, median and q₃ are the quartiles of a tensor's importances, rows lie along its last axis, and 10⁻⁸ is added to every probability. For every tensor by itself.

The divergence of rows that are near each other is a difference of almost equal numbers, so it is computed in float64 whatever the weights are stored in; in
single precision, as in mergekit, rounding is larger than what fine-tuning changes. Where more than a quarter of the entries have changed equally much, nearly
all of a tensor may pass: an equal model is itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import thresholds
from explorer.checkpoints.passes import Kernel, Passes
from explorer.checkpoints.per_tensor import by_block, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, 2)  # fewest and most models
EPS = 1e-8


def fuse(models: Sequence[Weights], problem: Problem, *, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. Buffers: the base's."""
    of_number(models, MODELS, "arcee_fusion", "a base, and one other model")
    widths = {name: tensor.shape[-1] if tensor.dim() else 1 for name, tensor in models[0].items()}
    return by_block(models, problem, important(widths), buffers=(1.0, 0.0), rows=True, progress=progress)


def important(widths: Mapping[str, int]) -> Kernel:
    """The kernel on whole rows; `widths`: the length of every tensor's last axis, by its name."""

    def kernel(passes: Passes) -> Iterator[Tensor]:
        width = widths[passes.name]

        def scores() -> Iterator[Tensor]:
            return (importance(base, other, width).to(torch.float32) for base, other in passes())

        last = passes.numel - 1
        first, middle, third = thresholds(scores, [passes.numel - int(share * last) for share in (0.25, 0.5, 0.75)])
        least = middle + 1.5 * (third - first)
        for base, other in passes():
            yield torch.where(importance(base, other, width).to(torch.float32) >= least, other, base)

    return kernel


def importance(base: Tensor, other: Tensor, width: int) -> Tensor:
    """The importance of the entries of whole rows, in float64 and of the blocks' shape."""
    if not base.numel():
        return base.double()
    a, b = base.double().reshape(-1, width), other.double().reshape(-1, width)
    p, q = b.softmax(dim=-1).add_(EPS), a.softmax(dim=-1).add_(EPS)
    divergence = (p * (p / q).log_()).sum(dim=-1, keepdim=True).clamp_(min=0)
    return (b - a).abs_().mul_(divergence).view(base.shape)
