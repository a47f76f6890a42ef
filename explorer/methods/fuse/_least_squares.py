"""Layers whose outputs on given inputs are as close as possible to those of several models: RegMean's normal equations.

Jin, Ren, Preotiuc-Pietro & Cheng 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models" (ICLR): (Σ Ĝᵢ) W = Σ Ĝᵢ Wᵢ with
Ĝᵢ = α Xᵢᵀ Xᵢ + (1 − α) its diagonal. What is solved for is the step from the models' average to W, so where the inputs say nothing the average stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from explorer.checkpoints.arithmetic import combined
from explorer.checkpoints.weights import Weights
from explorer.methods.fuse._input_gram import as_matrix, as_weight


class LeastSquares:
    """Sums over models, for each layer by its weight's name. `shrink`: α; `ridge`: how small the step is held, as a share of the inputs' power."""

    def __init__(self, models: Sequence[Weights], layers: Mapping[str, nn.Module], shrink: float, ridge: float) -> None:
        self._models, self._layers, self._shrink, self._ridge = models, layers, shrink, ridge
        self._totals: dict[str, Tensor] = {}  # Σ Ĝᵢ
        self._pulls: dict[str, Tensor] = {}  # Σ Ĝᵢ (Wᵢ − W̄)ᵀ

    def add(self, model: Weights, grams: Mapping[str, Tensor]) -> None:
        """One model's part: the (groups, d, d) Xᵀ X of what goes into its layers."""
        for name, gram in grams.items():
            shrunk = gram * self._shrink
            shrunk.diagonal(dim1=-2, dim2=-1).copy_(gram.diagonal(dim1=-2, dim2=-1))
            mean = self._mean(name)
            pull = shrunk @ as_matrix(model[name].to(mean) - mean, self._layers[name]).mT.double()
            self._totals[name] = self._totals[name] + shrunk if name in self._totals else shrunk
            self._pulls[name] = self._pulls[name] + pull if name in self._pulls else pull

    def __contains__(self, name: str) -> bool:
        return name in self._totals

    def solved(self, name: str) -> Tensor:
        """The layer's weight, in the precision that is computed in."""
        mean = self._mean(name)
        step = solved(self._totals[name], self._pulls[name], ridge=self._ridge, definite=self._shrink < 1)
        return mean + as_weight(step.mT, self._layers[name], mean.shape).to(mean)

    def _mean(self, name: str) -> Tensor:
        return combined([m[name] for m in self._models], (1 / len(self._models),) * len(self._models))


def solved(total: Tensor, pull: Tensor, *, ridge: float, definite: bool) -> Tensor:
    """(groups, d, outputs) the step X of A X = B, with A (groups, d, d) positive semidefinite; the smallest one where A leaves a choice.

    definite: whether A has no null space but inputs without power, which take no step.
    """
    power = total.diagonal(dim1=-2, dim2=-1)
    if not definite and ridge == 0:
        values, vectors = torch.linalg.eigh(total)
        cut = torch.finfo(values.dtype).eps * total.shape[-1] * values.amax(dim=-1, keepdim=True)
        inverse = torch.where(values > cut, 1 / values, torch.zeros_like(values))
        return vectors @ (inverse[..., None] * (vectors.mT @ pull))
    # In units in which every input has the power 1, where no rounding can make A indefinite.
    unit = torch.where(power > 0, power.rsqrt(), torch.zeros_like(power))
    matrix = total * unit[..., :, None] * unit[..., None, :]
    matrix.diagonal(dim1=-2, dim2=-1).fill_(1 + ridge)
    return torch.cholesky_solve(pull * unit[..., None], torch.linalg.cholesky(matrix)) * unit[..., None]
