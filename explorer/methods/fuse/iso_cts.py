"""Iso-CTS: equal singular values in the tasks' common directions and in directions of each task's own. The first model is the base.

Marczak, Magistri, Cygert, Twardowski, Bagdanov & van de Weijer 2025, "No Task Left Behind: Isotropic Model Merging with Common and Task-Specific
Subspaces" (ICML), Algorithm 2. For every matrix, Δᵢ = Wᵢ − W₀ of T models with the smaller side r:

    1   of Σᵢ Δᵢ = U Σ Vᵀ the first k components are the common ones
    2   of Δᵢ − U_k U_kᵀ Δᵢ, what of a task lies outside of them, the first (r − k)/T components are that task's own
    3   all r left vectors side by side are made orthonormal (polar factor), and so are the right ones; singular values become their mean σ̄

    W = W₀ + scale · σ̄ U* V*ᵀ

`common` is the share k/r, made such that (r − k)/T is whole; 1 is iso_c. What has one axis is averaged (times `scale`); a convolution's kernel is a
matrix with a row for each output channel. Components that are zero but for rounding are left out, so a task that changed nothing adds none. Pays off over
iso_c with many tasks; costs a singular value decomposition of every matrix of every model.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_matrices import by_matrix, nearest_orthogonal, svd
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    common: Annotated[float, Range(0, 1)] = 0.8,
    scale: Annotated[float, Range(-10, 10)] = 1.0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes."""
    return by_matrix(models, problem, partial(merged, common=common), method="iso_cts", scale=scale, progress=progress)


def merged(changes: Sequence[Tensor], *, common: float) -> Tensor:
    """(m, n) task matrices to one change."""
    smaller = min(changes[0].shape)
    own = min(round((smaller - int(smaller * common)) / len(changes)), smaller // len(changes))
    shared = smaller - own * len(changes)
    u, s, vh = (part[..., :shared] if i < 2 else part[:shared] for i, part in enumerate(svd(torch.stack(list(changes)).sum(dim=0))))
    size = max(float(change.abs().max()) for change in changes)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for change in changes if own else ():
        outside = change - u @ (u.mT @ change)
        if float(outside.abs().max()) > size * max(change.shape) * torch.finfo(change.dtype).eps:
            own_u, own_s, own_vh = svd(outside)
            parts.append((own_u[:, :own], own_s[:own], own_vh[:own]))
    us, ss, vhs = zip(*parts, (u, s, vh), strict=True)
    values = torch.cat(ss)
    if not len(values):
        return torch.zeros_like(changes[0])
    return nearest_orthogonal(torch.cat(us, dim=1)) @ nearest_orthogonal(torch.cat(vhs)) * values.mean()
