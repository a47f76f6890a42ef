"""How the loss rises around a network: along random directions, on the samples that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, ProblemSpec, Recipe, Run, Shifted
from explorer.lessons._read import at, mixtures

DISTANCES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75)  # in lengths of each filter
FAR = 0.5
DRAWS = 3  # of two directions each


def around(problem: ProblemSpec, models: Mapping[str, Recipe]) -> dict[str, Run]:
    """The requests to walk away from each model along all directions, and to measure it on the test split."""
    runs: dict[str, Run] = {}
    for name, model in models.items():
        for k in range(2 * DRAWS):
            moved = Shifted(problem, model, k % 2, registry.method("direct", "random", {"seed": k // 2}))
            field = Field(problem, (model, moved), registry.method("chart", "line"), split="train")
            runs[f"{name}, direction {k + 1}"] = Run(field, registry.method("sample", "given", {"at": DISTANCES}))
        runs[f"{name}, test"] = mixtures(problem, (model,), [[1.0]])
    return runs


def mean_around(measured: Mapping[str, Points], name: str) -> Points:
    """The mean over the directions at the distances of the lesson; others may have been measured beside them."""
    lines = [measured[f"{name}, direction {k + 1}"] for k in range(2 * DRAWS)]
    values = [np.concatenate([at(points, d).values for d in DISTANCES]) for points in lines]
    return Points(np.array(DISTANCES)[:, None], np.mean(values, axis=0), lines[0].counts)


def rise(points: Points) -> Points:
    """By how much it is higher at the distance FAR than at the model itself."""
    far, here = at(points, FAR), at(points, 0.0)
    return Points(far.coords, far.values - here.values, far.counts)
