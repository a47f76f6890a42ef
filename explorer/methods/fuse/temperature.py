"""Scored average: models weighted by their scores, as sharply as a temperature sets.

The weights are a softmax of the scores' logarithms, λᵢ = softmax(log sᵢ / T) ∝ sᵢ^(1/T), or of the scores themselves, λᵢ = softmax(sᵢ / T) (`of`).
A form that surveys of model fusion list (Li et al. 2023, "Deep Model Fusion: A Survey", arXiv 2309.15698). T → ∞ is the uniform soup, T → 0 the best
model alone, and with logarithms T = 1 makes the weights proportional to the scores and a common factor of the scores changes nothing.

Scores: one per model, higher is better. Without any they are measured on the validation split (`by`): the share of samples that is right, or the
likelihood of the labels, exp(−loss). A model whose score is 0 is left out where logarithms are taken. Accuracies of good models differ little, so a T
of 1 is nearly the uniform soup: try 0.01.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from explorer.checkpoints.per_tensor import linear
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.evaluator import Evaluate
from explorer.problems.problem import Problem

DATA = "val labels"  # what it needs besides the models, unless scores are given


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    scores: tuple[float, ...] = (),
    by: Literal["auto", "accuracy", "likelihood"] = "auto",
    temperature: Annotated[float, Range(1e-6, 1e6)] = 1.0,
    of: Literal["logarithms", "scores"] = "logarithms",
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `scores`: one per model, empty to measure them; `by` auto: accuracy, or in a regression the likelihood."""
    scores = scores or measured(models, problem, by, device=device, progress=progress)
    return linear(models, problem, shares(scores, len(models), temperature, of), progress=progress)


def measured(
    models: Sequence[Weights], problem: Problem, by: Literal["auto", "accuracy", "likelihood"], *, device: str = "cpu", progress: Progress = quiet
) -> tuple[float, ...]:
    """A score of each model on the validation split; 0 of one whose loss is not finite. Refused when a regression's accuracy is asked for."""
    if by == "accuracy" and problem.spec.loss == "mse":
        raise Refused("In a regression nothing is right or wrong, so there is no accuracy to score by. Use by='likelihood'.")
    accuracy = by == "accuracy" or (by == "auto" and problem.spec.loss != "mse")
    found: list[float] = []
    for i, model in enumerate(models):
        progress(i, len(models), f"scoring model {i + 1} of {len(models)}")
        evaluate = Evaluate(problem, [{k: model[k] for k in problem.shapes()}], split="val", prepare=False, device=device)
        loss, error = (evaluate.alone(0).sum(axis=1) / evaluate.counts.sum()).tolist()
        found.append((1 - error if accuracy else math.exp(-loss)) if math.isfinite(loss) else 0.0)
    return tuple(found)


def shares(scores: Sequence[float], count: int, temperature: float, of: Literal["logarithms", "scores"]) -> tuple[float, ...]:
    """The weights, which sum to 1."""
    if len(scores) != count:
        raise Refused(f"{count} models need {count} scores, got {len(scores)}.")
    if not all(map(math.isfinite, scores)):
        raise Refused(f"Scores must be finite numbers, got {tuple(scores)}. Measure the models again, or leave the failed one out.")
    if of == "logarithms":
        if min(scores) < 0 or max(scores) == 0:
            raise Refused(
                f"A logarithm needs scores of 0 or more, one of them above 0; got {tuple(scores)}. Use the softmax of the scores themselves."
            )
        scores = [math.log(s) if s > 0 else -math.inf for s in scores]
    best = max(scores)
    powers = [math.exp((s - best) / temperature) for s in scores]
    total = math.fsum(powers)
    return tuple(p / total for p in powers)
