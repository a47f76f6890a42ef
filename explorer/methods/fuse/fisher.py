"""Fisher merging: entry by entry, each model is weighted by how sensitive its likelihood is to that entry.

Matena & Raffel 2022, "Merging Models with Fisher-Weighted Averaging" (NeurIPS):

    W* = Σ λᵢ Fᵢ ⊙ Wᵢ / Σ λᵢ Fᵢ

with Fᵢ the diagonal of the Fisher information of model i (explorer.methods.fuse._fisher_diagonal), measured on the train split, every sample by itself. It is the most
likely point of a product of Gaussians, one around each model. Equal Fᵢ make it the plain average; where only one Fᵢ is above zero, that model's
value stays.

Needs train data: a backward pass for every sample and class, or for every sample alone with `sampled` and `given`. Entries to which no model is sensitive
(dead units) are averaged. Fᵢ is raised to a `floor`, which is a share of the mean of all Fᵢ, so that a ratio of two tiny numbers does not decide. A
model that is very sure of itself has a small Fisher information everywhere, and hardly counts: `normalise` divides each Fᵢ by its mean. Drawn
labels (`sampled`) of sure models are nearly always the same class, and the few others decide: take many samples. All Fᵢ are in memory at once, in
float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import wide
from explorer.checkpoints.per_tensor import by_tensor, shares_of
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._fisher_diagonal import fisher
from explorer.problems.problem import Problem

DATA = "train inputs"  # what it needs besides the models; labels too with labels="given"


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    labels: Literal["auto", "exact", "sampled", "given"] = "auto",
    samples: Annotated[int, Range(0, 1000000000)] = 1024,
    normalise: bool = False,
    floor: Annotated[float, Range(0, 1)] = 1e-6,
    weights: tuple[float, ...] = (),
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `weights`: λ, one per model, empty for equal ones; `samples`: 0 for the whole train split."""
    shares = shares_of(weights, len(models), "fisher")
    informations: list[Weights] = []
    for i, model in enumerate(models):

        def forward(done: int, total: int, message: str, i: int = i) -> None:
            progress(i * total + done, len(models) * total, f"model {i + 1}: {message}")

        informations.append(fisher(problem, model, labels=labels, samples=samples, seed=seed, device=device, progress=forward))
    return merged(models, informations, problem, shares, normalise=normalise, floor=floor)


def merged(
    models: Sequence[Weights], informations: Sequence[Weights], problem: Problem, shares: Sequence[float], *, normalise: bool, floor: float
) -> Weights:
    """Σ λᵢ Fᵢ ⊙ Wᵢ / Σ λᵢ Fᵢ; parameters without a Fisher information, and entries where all are 0, are averaged by λ."""
    means = [_mean(f) for f in informations]
    factors = [1 / m if normalise and m > 0 else 1.0 for m in means]
    scale = sum(share * f * m for share, f, m in zip(shares, factors, means, strict=True))

    def kernel(name: str, tensors: Sequence[Tensor]) -> Tensor:
        # As a step away from the first model, so that equal models give that model to the last bit.
        first = wide(tensors[0])
        step, plain, total = torch.zeros_like(first), torch.zeros_like(first), torch.zeros_like(first)
        for tensor, information, factor, share in zip(tensors, informations, factors, shares, strict=True):
            away = wide(tensor) - first
            f = information.get(name)
            weight = torch.zeros_like(first) if f is None else (f * factor).clamp(min=floor * scale).to(first) * share
            plain.add_(away, alpha=share)
            total += weight
            step += weight * away
        return first + torch.where(total > 0, step / total, plain)

    return by_tensor(models, problem, kernel, buffers=shares)


def _mean(information: Weights) -> float:
    return float(sum(float(f.sum()) for f in information.values()) / max(1, sum(f.numel() for f in information.values())))
