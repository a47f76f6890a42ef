"""Scored average: models weigh the more the better they scored, as sharply as a temperature says.

The weights are a softmax of the scores' logarithms, λᵢ = softmax(log sᵢ / T) ∝ sᵢ^(1/T), or of the scores themselves, λᵢ = softmax(sᵢ / T) (`of`).
A form that surveys of model fusion list (Li et al. 2023, "Deep Model Fusion: A Survey", arXiv 2309.15698). T → ∞ is the uniform soup, T → 0 the best
model alone, and with logarithms T = 1 makes the weights proportional to the scores and a common factor of the scores changes nothing.

Scores: one per model, higher is better, such as accuracy on samples that are neither trained nor tested on. A model whose score is 0 is left out
where logarithms are taken. Accuracies of good models differ little, so a T of 1 is nearly the uniform soup: try 0.01.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from explorer.errors import Refused
from explorer.fusing import linear
from explorer.matching import Progress, quiet
from explorer.methods import Range
from explorer.problem import Problem
from explorer.weights import Weights


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    scores: tuple[float, ...] = (),
    temperature: Annotated[float, Range(1e-6, 1e6)] = 1.0,
    of: Literal["logarithms", "scores"] = "logarithms",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `scores`: one per model, empty for equal ones."""
    return linear(models, problem, shares(scores or (1.0,) * len(models), len(models), temperature, of), progress=progress)


def shares(scores: Sequence[float], count: int, temperature: float, of: Literal["logarithms", "scores"]) -> tuple[float, ...]:
    """The weights, which sum to 1."""
    if len(scores) != count:
        raise Refused(f"{count} models need {count} scores, got {len(scores)}.")
    if not all(map(math.isfinite, scores)):
        raise Refused(f"Scores must be finite numbers, got {tuple(scores)}. Measure the models again, or leave the failed one out.")
    if of == "logarithms":
        if min(scores) < 0 or max(scores) == 0:
            raise Refused(
                f"A logarithm wants scores of 0 or more, one of them above 0; got {tuple(scores)}. Take the softmax of the scores themselves."
            )
        scores = [math.log(s) if s > 0 else -math.inf for s in scores]
    best = max(scores)
    powers = [math.exp((s - best) / temperature) for s in scores]
    total = math.fsum(powers)
    return tuple(p / total for p in powers)
