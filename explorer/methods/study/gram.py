"""Inner products of models: their distances, and where each lies in a plane.

The (n, n) Gram matrix of the models' parameters, summed in float64. Distances follow as √(Gᵢᵢ + Gⱼⱼ − 2Gᵢⱼ).
"""

from __future__ import annotations

from collections.abc import Sequence

from explorer.checkpoints.weights import Weights, gram
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Json
from explorer.problems.problem import Problem


def study(models: Sequence[Weights], problem: Problem, *, progress: Progress = quiet) -> Json:
    """{"gram": n rows of n numbers}, in the order of the models."""
    progress(0, 1, "Measuring distances")
    return {"gram": gram(models, problem.parameters()).tolist()}
