"""Model breadcrumbs: leave out the largest changes as outliers and the many smallest as noise. The first model is the base.

Davari & Belilovsky 2024, "Model Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks". Of every tensor of a task vector
τᵢ = Wᵢ − W₀ the share `smallest` of the entries of least magnitude and the share `largest` of greatest magnitude become 0; the mean of what stays,
times `scale`, is added to the base. (The paper adds the sum: that is a scale of as many as there are models.)

Exactly that many: of entries that are equally large, the earlier ones count as larger. Shares are rounded to whole entries, so of a tensor with very
few of them none may stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from explorer.checkpoints.passes import Passes
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_vectors import Stays, between, merged
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    smallest: Annotated[float, Range(0, 1)] = 0.85,
    largest: Annotated[float, Range(0, 1)] = 0.007,
    elect: Literal["none", "mass", "count"] = "none",
    weights: tuple[float, ...] = (),
    scale: Annotated[float, Range(-10, 10)] = 1.0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `weights`: how much each model after the base counts, empty for equally."""
    if smallest < 0 or largest < 0 or smallest + largest >= 1:
        raise Refused(f"breadcrumbs needs shares that leave something, got {smallest} smallest and {largest} largest. Their sum must stay below 1.")

    def keep(passes: Passes, model: int) -> Stays:
        n = passes.numel
        return between(n - round(n * smallest), round(n * largest) + 1)(passes, model)

    return merged(models, problem, keep, method="breadcrumbs", weights=weights, elect=elect, scale=scale, progress=progress)
