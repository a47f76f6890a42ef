"""PCB-Merging: every change weighed by how large it is in its task and how well it agrees with the other tasks. The first model is the base.

Du, Lee, Li, Jiang, Guo, Yu, Liu, Goh, Tang, He & Zhang 2024, "Parameter Competition Balancing for Model Merging" (NeurIPS), as the authors' code computes
it. For the task vectors τᵢ = Wᵢ − W₀ of N models, entry by entry

    within     aᵢ = |τᵢ| from its smallest to its largest value brought to 0 … 1
    between    sᵢ = exp(N · aᵢ²) · tanh(τᵢ · Σⱼ τⱼ)
    drop       the share `density` with the largest sᵢ stays;  βᵢ = sᵢ, of these from the smallest to the largest brought to 0 … 1
    rescale    W = W₀ + scale · Σ βᵢ τᵢ / Σ βᵢ

over the whole model, as in the code, or over each tensor. Magnitudes beyond the 10⁻⁴-quantile on either side count as that quantile. What no model has a
share in keeps the base's value; so do entries whose score is not above 0, as those that disagree with the sum of all.

(In the paper the agreement is a sum of softmaxes of τᵢτⱼ over all entries, and scores are not brought to 0 … 1; its tables were made by the code.) The
paper chooses `scale` on held-out samples, mostly above 1. Goes over the models some ten times for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import magnitude, thresholds, vectors
from explorer.checkpoints.passes import FromAll, Kernel, Passes, each
from explorer.checkpoints.per_tensor import by_block, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models
OUTLIERS = 1e-4  # share of the magnitudes at either end that count as the last one before them


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    density: Annotated[float, Range(0, 1)] = 0.1,
    trim: Literal["model", "tensor"] = "model",
    scale: Annotated[float, Range(-10, 10)] = 1.0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `trim`: over what scores are compared."""
    of_number(models, MODELS, "pcb", WANTED)
    if not 0 < density <= 1:
        raise Refused(f"pcb needs a density above 0 and up to 1, the share of changes to keep; got {density}. The paper uses 0.1.")
    count = len(models) - 1

    def found(passes: Passes) -> Kernel:
        return balanced(passes, count, density, scale)

    return by_block(models, problem, FromAll(found) if trim == "model" else each(found), buffers=(0.0, *[1 / count] * count), progress=progress)


@dataclass(frozen=True)
class _Range:
    """From `low` to `high`; what lies outside counts as the nearer end."""

    low: float
    high: float

    def of(self, values: Tensor) -> Tensor:
        return values.clamp(self.low, self.high)

    def share(self, values: Tensor) -> Tensor:
        """Where between the ends, 0 … 1; 1 of all that is not below where both are one."""
        if self.high > self.low:
            return (self.of(values) - self.low).div_(self.high - self.low)
        return ((values >= self.low) & (values > 0)).to(values.dtype)


def balanced(passes: Passes, count: int, density: float, scale: float) -> Kernel:
    """The kernel of what the passes show."""
    sizes = [_sizes(passes, i) for i in range(1, count + 1)]
    kept = [_scores(passes, i, sizes[i - 1], density) for i in range(1, count + 1)]

    def kernel(passes: Passes) -> Iterator[Tensor]:
        for tensors in passes():
            changes = list(vectors(tensors))
            total = sum(changes[1:], start=changes[0].clone())
            above, below = torch.zeros_like(total), torch.zeros_like(total)
            for change, size, keep in zip(changes, sizes, kept, strict=True):
                share = keep.share(_score(change, total, size, count).to(torch.float32)).to(total.dtype)
                below.add_(share)
                above.add_(change.sign().mul_(size.of(change.abs())).mul_(share))
            yield above.div_(below.add_(below == 0)).mul_(scale).add_(tensors[0])

    return kernel


def _sizes(passes: Passes, model: int) -> _Range:
    """The quantiles of the magnitudes of one model's changes."""

    def sizes() -> Iterator[Tensor]:
        return (magnitude(tuned - base) for base, tuned in passes(0, model))

    n = passes.numel
    low, high = int(n * OUTLIERS), max(int(n * (1 - OUTLIERS) - 1), 0)  # places from the smallest on, as in the code
    return _Range(*thresholds(sizes, (n - low, n - high)))


def _scores(passes: Passes, model: int, size: _Range, density: float) -> _Range:
    """From the smallest score that stays to the largest."""

    def scores() -> Iterator[Tensor]:
        for tensors in passes():
            changes = list(vectors(tensors))
            total = sum(changes[1:], start=changes[0].clone())
            yield magnitude(_score(changes[model - 1], total, size, len(changes)).clamp_(min=0))  # no minus before a nought

    n = passes.numel
    return _Range(*thresholds(scores, (n - min(int(n * (1 - density)), n - 1), 1)))


def _score(change: Tensor, total: Tensor, size: _Range, count: int) -> Tensor:
    within = size.share(change.abs())
    return within.square_().mul_(count).exp_().mul_((change * total).tanh_())
