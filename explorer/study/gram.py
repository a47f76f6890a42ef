"""Inner products of models: how far apart they lie, and where each stands in a plane.

The (n, n) Gram matrix of the models' parameters, summed in float64. Distances follow as √(Gᵢᵢ + Gⱼⱼ − 2Gᵢⱼ).
"""

from __future__ import annotations

from collections.abc import Sequence

from explorer.matching import Progress, quiet
from explorer.problem import Problem
from explorer.spec import Json
from explorer.weights import Weights, gram


def study(models: Sequence[Weights], problem: Problem, *, progress: Progress = quiet) -> Json:
    """{"gram": n rows of n numbers}, in the order of the models."""
    progress(0, 1, "Measuring distances")
    return {"gram": gram(models, [name for name, _ in problem.network().named_parameters()]).tolist()}
