"""Interpolation: a point on the line from the first model through the second, or beyond either.

Wortsman, Ilharco et al. 2022, "Robust fine-tuning of zero-shot models" (WiSE-FT): (1 − t)·A + t·B. With A the pre-trained and B the
fine-tuned model, t between 0 and 1 often does better on shifted data than either. t above 1 goes further the way that fine-tuning went (Zheng et al.
2024, "Weak-to-Strong Extrapolation"); t below 0 goes back from it.

t = 0 and t = 1 are the models bit for bit. Running statistics are not extrapolated: beyond an end they are that end's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from explorer.checkpoints.per_tensor import linear, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.problems.problem import Problem

MODELS = (2, 2)  # fewest and most models


def fuse(models: Sequence[Weights], problem: Problem, *, t: Annotated[float, Range(-10, 10)] = 0.5, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. `t`: 0 is the first model, 1 the second."""
    of_number(models, MODELS, "interpolate", "two models")
    return linear(models, problem, (1 - t, t), progress=progress)
