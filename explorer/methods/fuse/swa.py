"""SWA: the plain mean of a training's snapshots, one at the end of each cycle.

Izmailov, Podoprikhin, Garipov, Vetrov & Wilson 2018, "Averaging Weights Leads to Wider Optima and Better Generalization" (UAI):

    W̄ ← (k W̄ + W)/(k + 1)

The models are snapshots in the order of the training, best of one with a constant or cyclic rate (`train/swa`). `skip`: how many are left out at the
beginning; `every`: the cycle's length in snapshots. Batch-norm statistics are re-estimated, as for every fused model. Of snapshots with low precision
this is SWALP's average.
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


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    skip: Annotated[int, Range(0, 1000000)] = 0,
    every: Annotated[int, Range(1, 1000000)] = 1,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes; the last snapshot when all are left out."""
    return averaged(models, problem, averaging_coefficients.swa(len(models), skip=skip, every=every), progress=progress)
