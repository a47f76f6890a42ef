"""KnOTS: task vectors brought into one basis before they are trimmed and averaged, made for LoRA. The first model is the base.

Stoica, Ramesh, Ecsedi, Choshen & Hoffman 2025, "Model Merging with SVD to Tie the KnOTS" (ICLR; arXiv 2024). Changes of low rank lie in subspaces that have
little to do with each other, and their entries cannot be compared. For every matrix, the task matrices Δᵢ = Wᵢ − W₀ (m, n) side by side

    [Δ₁ … Δ_T] = U Σ [V₁ … V_T]ᵀ        U Σ is common to all, Vᵢ (n, r) is what task i does with it
    W = W₀ + scale · U Σ V̂ᵀ,        V̂ the ties mean of the Vᵢ

ties mean: of each Vᵢ the share `density` of largest magnitude stays, the sign with the larger sum of magnitudes is elected entry by entry, and what agrees is
averaged (explorer.methods.fuse.ties). Without trimming and election it is the mean of the models. What has one axis is averaged.

Trimmed matrix by matrix; the authors trim the Vᵢ of all matrices together. Where singular values are equal the basis is not unique, and neither is the result.
Adapters are given as model+adapter, and their ranks may differ. (The authors scale by a λ chosen on held-out samples: `scale`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import disjoint_mean, mean
from explorer.checkpoints.per_tensor import shares_of
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_matrices import by_matrix, svd
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    density: Annotated[float, Range(0, 1)] = 0.3,
    elect: Literal["none", "mass", "count"] = "mass",
    weights: tuple[float, ...] = (),
    scale: Annotated[float, Range(-10, 10)] = 1.0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `weights`: how much each model after the base counts, empty for equally."""
    if not 0 < density <= 1:
        raise Refused(f"knots needs a density above 0 and up to 1, the share of entries to keep; got {density}. Use 1 to trim nothing.")
    shares = shares_of(weights, max(len(models) - 1, 1), "knots")
    used = [share for share in shares if share]  # a model without weight has no part in the basis either

    def merge(changes: Sequence[Tensor]) -> Tensor:
        u, s, vh = svd(torch.cat([change for change, share in zip(changes, shares, strict=True) if share], dim=1))
        if not len(s):
            return torch.zeros_like(changes[0])
        thinned = [trimmed(v, density) for v in vh.split(changes[0].shape[1], dim=1)]
        return u * s @ (mean(thinned, used) if elect == "none" else disjoint_mean(thinned, used, elect))

    return by_matrix(models, problem, merge, method="knots", scale=scale, shares=shares, progress=progress)


def trimmed(tensor: Tensor, density: float) -> Tensor:
    """The tensor with so large a share of its entries, the largest; all others are 0."""
    count = max(1, round(tensor.numel() * density))
    places = tensor.abs().flatten().topk(count).indices
    kept = torch.zeros(tensor.numel(), dtype=tensor.dtype)
    kept[places] = tensor.flatten()[places]
    return kept.view(tensor.shape)
