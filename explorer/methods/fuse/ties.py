"""TIES: keep the largest changes, elect a sign for each weight, and average what agrees. The first model is the base.

Yadav, Tam, Choshen, Raffel & Bansal 2023, "TIES-Merging: Resolving Interference When Merging Models". Of every task vector τᵢ = Wᵢ − W₀

    trim     the share `density` of largest magnitude stays, over the whole model as in the authors' code, or of each tensor
    elect    the sign with the larger sum of magnitudes, or with more models
    merge    the mean of the entries of that sign, times `scale` (the paper's λ), is added to the base

Exactly that many stay: of entries that are equally large, as changes of half-precision models often are, the earlier ones. Where the votes are equal
the base's value stays. With one model and a density of 1 it gives that model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from explorer.checkpoints.passes import Passes
from explorer.checkpoints.per_tensor import of_number
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_vectors import WANTED, Stays, between, merged
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    density: Annotated[float, Range(0, 1)] = 0.2,
    trim: Literal["model", "tensor"] = "model",
    elect: Literal["mass", "count"] = "mass",
    weights: tuple[float, ...] = (),
    scale: Annotated[float, Range(-10, 10)] = 1.0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `weights`: how much each model after the base counts, empty for equally."""
    of_number(models, MODELS, "ties", WANTED)
    if not 0 < density <= 1:
        raise Refused(f"ties needs a density above 0 and up to 1, the share of changes to keep; got {density}. The paper uses 0.2.")

    def keep(passes: Passes, model: int) -> Stays:
        return between(max(1, round(passes.numel * density)))(passes, model)

    return merged(models, problem, keep, method="ties", weights=weights, elect=elect, scale=scale, whole=trim == "model", progress=progress)
