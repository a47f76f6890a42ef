"""EMA: the exponential moving average of a training run's snapshots, the latest weighted most.

Polyak & Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging"; Tarvainen & Valpola 2017, "Mean teachers are better role models":

    W̄ ← β W̄ + (1 − β) W

The models are snapshots in the order of the training. `corrected`: begun at zero and divided by 1 − βⁿ, so that the first snapshot weighs no more than
its age says; otherwise begun at the first snapshot. β = 0 is the last snapshot, β → 1 corrected the plain mean. Snapshots are usually an epoch apart: a β
meant for single iterations, such as 0.999, is here (the steps in an epoch)-th power of itself.
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
    decay: Annotated[float, Range(0, 1)] = 0.8,
    corrected: bool = True,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `decay`: β."""
    return averaged(models, problem, averaging_coefficients.ema(len(models), decay=decay, corrected=corrected), progress=progress)
