"""SWAG: a Gaussian around the mean of a training's snapshots, as wide as they scatter; models are drawn from it.

Maddox, Garipov, Izmailov, Vetrov & Wilson 2019, "A Simple Baseline for Bayesian Uncertainty in Deep Learning" (NeurIPS). With the mean θ̄ of n
snapshots, their variance Σ_d by number, and the last K deviations D̂ of a snapshot from the mean so far,

    θ = θ̄ + √s Σ_d^½ z₁ + √s D̂ z₂ / √(K − 1)        z₁ ~ N(0, I_d), z₂ ~ N(0, I_K)

with s = ½ in the paper. Mean and variance are Welford's, one snapshot after another: the paper's θ²̄ − θ̄² loses everything when the mean is much larger
than the scatter, as weights' is. Buffers are the snapshots' mean; batch-norm statistics have to be re-estimated for every model drawn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import wide
from explorer.checkpoints.per_tensor import by_tensor
from explorer.checkpoints.weights import Weights
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem


@dataclass(frozen=True)
class Spread:
    """How one tensor scatters: its mean, its variance by number, and (K, …) the last deviations; K = 0: only the variance."""

    mean: Tensor
    variance: Tensor
    deviations: Tensor

    @classmethod
    def fitted(cls, tensors: Sequence[Tensor], rank: int) -> Spread:
        """Welford's update over the tensors in order, in wide precision."""
        mean = wide(tensors[0]).clone()
        squares = torch.zeros_like(mean)
        last: deque[Tensor] = deque([torch.zeros_like(mean)], maxlen=rank)  # the first snapshot is the mean so far
        for k, tensor in enumerate(tensors[1:], start=2):
            before = wide(tensor) - mean
            mean.add_(before, alpha=1 / k)
            after = wide(tensor) - mean
            squares.addcmul_(before, after)
            last.append(after)
        return cls(mean, squares / len(tensors), torch.stack(list(last)) if last else mean.new_zeros((0, *mean.shape)))

    def drawn(self, scale: float, z1: Array, z2: Array) -> Tensor:
        """θ from standard normal numbers: z1 of the tensor's shape, z2 (K,), the same for all tensors of a model."""
        noise = torch.from_numpy(z1).to(self.mean)
        result = self.mean + sqrt(scale) * self.variance.sqrt() * noise
        if rank := len(self.deviations):
            common = torch.from_numpy(z2[:rank]).to(self.mean)
            result += sqrt(scale / max(rank - 1, 1)) * torch.tensordot(common, self.deviations, dims=1)
        return result


class Gaussian:
    """The Gaussian around the snapshots. `mean`: θ̄, a model. Holds K + 2 copies of the parameters."""

    def __init__(self, snapshots: Sequence[Weights], problem: Problem, *, rank: int, scale: float, progress: Progress = quiet) -> None:
        self.problem, self.rank, self.scale = problem, rank, scale
        self.spreads: dict[str, Spread] = {}

        def noted(name: str, tensors: Sequence[Tensor]) -> Tensor:
            self.spreads[name] = spread = Spread.fitted(tensors, rank)
            return spread.mean

        self.mean = by_tensor(snapshots, problem, noted, buffers=[1 / len(snapshots)] * len(snapshots), progress=progress)

    def sample(self, seed: int, number: int) -> Weights:
        """The model drawn as the `number`-th of a seed: the same whichever others are drawn."""
        rng = np.random.default_rng((seed, number))
        common = rng.standard_normal(self.rank)

        def draw(name: str, tensors: Sequence[Tensor]) -> Tensor:
            return self.spreads[name].drawn(self.scale, rng.standard_normal(tuple(tensors[0].shape)), common)

        return by_tensor([self.mean], self.problem, draw, buffers=(1.0,))
