"""LAWA: the mean of the latest snapshots of a training.

Kaddour 2022, "Stop Wasting My Time! Saving Days of ImageNet and BERT Training with Latest Weight Averaging": W̄ = 1/k Σ Wᵢ over the k latest. The models
are snapshots in the order of the training. k = 1 is the last one, k ≥ n the mean of all. Over the means of parallel networks (`train/hwa`) it is the
offline average of hierarchical averaging.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._weighted_mean import averaged
from explorer.problems.problem import Problem
from explorer.stats import averaging_coefficients


def fuse(models: Sequence[Weights], problem: Problem, *, latest: Annotated[int, Range(1, 1000000)] = 6, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. `latest`: k."""
    return averaged(models, problem, averaging_coefficients.lawa(len(models), latest=latest), progress=progress)
