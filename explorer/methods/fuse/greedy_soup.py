"""Greedy soup: models from the best to the worst, each kept unless it makes the average worse.

Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time" (ICML),
recipe 1. Models are sorted by their error (or loss) on the validation split, and tried in this order: a model stays in the soup when the mean of
the weights with it is at least as good on that split as without it. `rule = "better"` requires it to be better, as the authors' program does: then a
copy of a model that is in already is left out. Models of equal value come in the order given. On the validation split the soup is never worse than
the best model; on another split it may be.

Needs labels of the validation split, which must not be the one that is reported on. 2n − 1 evaluations for n models. Batch-norm statistics are
re-estimated for every soup that is tried, as they will be for the result. What each model is worth is shown on the Soup page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np

from explorer.checkpoints.per_tensor import linear
from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.evaluator import Evaluate
from explorer.problems.problem import Problem
from explorer.stats.soup_analysis import Path, singles, walk

DATA = "val labels"  # what it needs besides the models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    metric: Literal["error", "loss"] = "error",
    rule: Literal["at_least", "better"] = "at_least",
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes: the plain average of those that were kept. `samples`: of the validation split, 0 for all."""
    members = path(models, problem, metric=metric, rule=rule, samples=samples, device=device, progress=progress).members
    coefficients = [1 / len(members) if i in members else 0.0 for i in range(len(models))]
    return linear(models, problem, coefficients)


def path(
    models: Sequence[Weights],
    problem: Problem,
    *,
    metric: Literal["error", "loss"] = "error",
    rule: Literal["at_least", "better"] = "at_least",
    samples: int = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Path:
    """The whole of the greedy path, measured on the validation split. Refused when not even one model has a finite value."""
    if metric == "error" and not registry.classifies(problem.spec.loss):
        raise Refused("In a regression nothing is right or wrong, so there is no error to select by. Use metric='loss'.")
    corners = [{k: m[k] for k in problem.shapes()} for m in models]
    evaluate = Evaluate(problem, corners, split="val", samples=samples, metrics=("loss", "error"), device=device)
    n = len(models)
    points = Points(np.empty((0, n)), np.empty((0, *evaluate.shape)), evaluate.counts)
    for i, alone in enumerate(singles(n)):
        progress(i, 2 * n, f"model {i + 1} alone")
        points = points.extended(alone[None], evaluate(alone)[None])
    if not np.isfinite(points.means()).all(axis=1).any():
        raise Refused(
            "None of the models has a finite loss on the validation split, so there is nothing to start a soup with. Leave out broken ones."
        )
    while (found := walk(points, metric, rule)).wanted is not None:
        progress(n + len(found.steps), 2 * n, _step_message(found, metric))
        points = points.extended(found.wanted[None], evaluate(found.wanted / found.wanted.sum())[None])
    progress(2 * n, 2 * n, _step_message(found, metric))
    return found


def _step_message(found: Path, metric: str) -> str:
    step = found.steps[-1]
    return f"model {step.model + 1} {'accepted' if step.accepted else 'left out'}: {metric} {step.value:.4g}"
