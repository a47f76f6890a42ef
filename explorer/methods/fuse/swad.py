"""SWAD: the mean of the snapshots in the valley of the validation loss, from where it stops falling to where it starts rising for good.

Cha, Chun, Lee, Cho, Park, Lee & Park 2021, "SWAD: Domain Generalization by Seeking Flat Minima" (NeurIPS). The valley begins at the first
snapshot whose loss is the lowest of the next N_s = `converged`, and ends before the first from which on N_e = `tolerance` losses all lie above r =
`ratio` times the mean of the N_s it began with. Those three numbers are as we chose them. The paper averages every iteration between; here it is every snapshot given, so take them densely
(`train/swa` with `per_epoch`). While the loss still falls, it is the last snapshot.

The models are snapshots in the order of the training. Needs labels of the validation split, which must not be the one that is reported on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.fuse._weighted_mean import averaged
from explorer.problems.problem import Problem
from explorer.stats import averaging_coefficients

DATA = "val labels"  # what it needs besides the models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    converged: Annotated[int, Range(1, 100000)] = 3,
    tolerance: Annotated[int, Range(1, 100000)] = 6,
    ratio: Annotated[float, Range(0.001, 1000)] = 1.3,
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `samples`: of the validation split, 0 for all. Refused when no snapshot has a finite loss."""
    corners = [{k: m[k] for k in problem.shapes()} for m in models]
    evaluate = Evaluate(problem, corners, split="val", samples=samples, metrics=("loss",), prepare=False, device=device)
    losses: list[float] = []
    for i in range(len(models)):
        progress(i, len(models), f"snapshot {i + 1}")
        losses.append(float(evaluate.alone(i).sum() / evaluate.counts.sum()))
    return averaged(models, problem, averaging_coefficients.swad(losses, converged=converged, tolerance=tolerance, ratio=ratio), progress=progress)
