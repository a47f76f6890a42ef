"""Task vectors τᵢ = Wᵢ − W₀ layer by layer, before anything is merged: how large they are, how they lie to one another, where they oppose, and of what rank.

    norm      ‖τᵢ‖ / ‖W₀‖ of the layer's parameters
    cosine    mean of cos(τᵢ, τⱼ) over the other models
    against   of Σ|τᵢ|, the share in entries whose sum over the models has the other sign: what an election of signs would drop (Yadav et al. 2023)
    rank      stable rank ‖τᵢ‖²_F / ‖τᵢ‖²₂ of the layer's largest matrix of at most `RANKED` entries: 1 where the change is one direction

Blocks of tensors are added up one after another, so models may be larger than memory. NaN where there is nothing to divide by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.layer_names import layer_of, layers_of
from explorer.checkpoints.singular_values import singular_values
from explorer.core.points import Array

RANKED = 2**20  # entries of a matrix whose singular values are worked out: a third of a second


@dataclass(frozen=True, eq=False)
class Survey:
    """(layers, models) each; the models are those after the first."""

    layers: tuple[str, ...]
    models: tuple[str, ...]
    norm: Array
    cosine: Array
    against: Array
    rank: Array


@dataclass
class Tally:
    """The sums of one layer, of n models after the first."""

    models: int
    base: float = 0.0
    gram: Array = field(init=False)
    opposed: Array = field(init=False)
    size: Array = field(init=False)
    rank: Array = field(init=False)
    ranked: int = 0  # entries of the matrix that the rank is of

    def __post_init__(self) -> None:
        self.gram = np.zeros((self.models, self.models))
        self.opposed, self.size = np.zeros(self.models), np.zeros(self.models)
        self.rank = np.full(self.models, np.nan)

    def add(self, block: Sequence[Tensor]) -> None:
        """The same entries of all models, the first one's first."""
        base, *others = (t.detach().reshape(-1).double() for t in block)
        vectors = torch.stack(others) - base
        total = vectors.sum(dim=0)
        self.base += float(base @ base)
        self.gram += (vectors @ vectors.T).numpy()
        self.opposed += (vectors.abs() * (vectors.sign() != total.sign())).sum(dim=1).numpy()
        self.size += vectors.abs().sum(dim=1).numpy()

    def add_rank(self, whole: Sequence[Tensor]) -> None:
        """A tensor of all models, where its singular values are to be had and none larger was seen."""
        entries = whole[0].numel()
        if whole[0].dim() < 2 or entries > RANKED or entries <= self.ranked:
            return
        self.ranked = entries
        base, *others = (t.detach().float().flatten(1) for t in whole)
        self.rank = np.array([stable_rank(other - base) for other in others])

    def rows(self) -> tuple[Array, Array, Array, Array]:
        """norm, cosine, against, rank: (models,) each."""
        length = np.sqrt(np.diag(self.gram))
        with np.errstate(invalid="ignore", divide="ignore"):
            cosines = self.gram / np.outer(length, length)
            np.fill_diagonal(cosines, 0.0)
            cosine = cosines.sum(axis=1) / (self.models - 1) if self.models > 1 else np.full(self.models, np.nan)
            return length / np.sqrt(self.base) if self.base else np.full(self.models, np.nan), cosine, self.opposed / self.size, self.rank


def stable_rank(matrix: Tensor) -> float:
    """‖M‖²_F / ‖M‖²₂; NaN of zeros."""
    values = singular_values(matrix).double()
    return float((values**2).sum() / values[0] ** 2) if len(values) and values[0] > 0 else float("nan")


def layer_names(names: Sequence[str]) -> dict[str, str]:
    """The layer that each tensor belongs to: a numbered one of the network's long lists, else the module that owns it."""
    layers = layers_of(names)

    def of(name: str) -> str:
        found = layer_of(name, layers)
        return f"{found[0]}.{found[1]}".lstrip(".") if found else name.rpartition(".")[0] or name

    return {name: of(name) for name in names}


def survey(tallies: Iterable[tuple[str, Tally]], models: Sequence[str]) -> Survey:
    """What the sums of all layers come to, in their order."""
    found = dict(tallies)
    rows = [tally.rows() for tally in found.values()]
    norm, cosine, against, rank = (np.array([row[k] for row in rows]).reshape(len(rows), len(models)) for k in range(4))
    return Survey(tuple(found), tuple(models), norm, cosine, against, rank)
