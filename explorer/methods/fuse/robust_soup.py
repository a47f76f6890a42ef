"""Robust soup: coefficients that are best under the worst of several attacks on the inputs.

Croce, Rebuffi, Shelhamer & Gowal 2023, "Seasoning Model Soups for Robustness to Adversarial and Natural Distribution Shifts" (CVPR), here within
the convex hull:

    minimise over c   max over threats t of   L_t(Σ cᵢ Wᵢ),        c ≥ 0, Σ cᵢ = 1

with L_t the validation error (or loss) of inputs that an adversary moved within a radius: none ("clean"), l∞, l2; by projected gradient ascent at
every mixture separately (explorer.evaluate.pgd_attack). `search = "grid"` tries all c that are multiples of 1/`steps`, each model alone among them, and takes the
best; of equal ones that with the lower loss. "gradient" learns c by descent on the loss of the worst threat of each batch: for many models.

Made for models that were trained to withstand different attacks. Needs labels of the validation split and inputs that are real numbers; radii are
in the units in which the network sees its inputs, `l2` for each sample, and 0 leaves a threat out. What is measured is a lower bound of the worst
case: the adversary is not the strongest there is. A grid of n models has (steps + n − 1)! / (steps! (n − 1)!) points, each measured once for every
threat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import comb
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.per_tensor import linear
from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Attack
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.pgd_attack import Norm, attack
from explorer.methods.fuse._learned_coefficients import Descent, learned, mixed, softmax
from explorer.problems.problem import Problem
from explorer.problems.reduced import mean_loss, sample_losses

DATA = "val labels"  # what it needs besides the models
MOST = 10000  # points of a grid


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    clean: bool = True,
    linf: Annotated[float, Range(0, 1000000)] = 0.03,
    l2: Annotated[float, Range(0, 1000000)] = 0.3,
    attack_steps: Annotated[int, Range(1, 1000)] = 5,
    search: Literal["grid", "gradient"] = "grid",
    metric: Literal["error", "loss"] = "error",
    steps: Annotated[int, Range(1, 1000)] = 4,
    epochs: Annotated[int, Range(0, 10000)] = 20,
    lr: Annotated[float, Range(0, 100)] = 0.05,
    batch: Annotated[int, Range(1, 1048576)] = 128,
    samples: Annotated[int, Range(0, 1000000000)] = 256,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
    tell: Callable[[str], None] | None = None,
) -> Weights:
    """One model of the models' shapes. `samples`: of the validation split, 0 for all. `tell`: is told the soup's loss and error under each threat.

    `steps` and `metric` are the grid's; `epochs`, `lr`, `batch` and `seed` the descent's.
    """
    radii: list[tuple[Norm, float]] = [("linf", linf), ("l2", l2)]
    attacks = [Attack(norm, radius, attack_steps) for norm, radius in radii if radius > 0]
    threats: list[Attack | None] = [*([None] if clean else []), *attacks]
    if not threats:
        raise Refused("No threat is selected: switch 'clean' on, or give 'linf' or 'l2' a radius above 0.")
    if attacks and not problem.split("val").inputs.is_floating_point():
        raise Refused("Inputs of this problem are whole numbers, such as the tokens of a text; they cannot be moved a little. Set both radii to 0.")
    if search == "grid":
        best = chosen(models, problem, threats, metric=metric, steps=steps, samples=samples, device=device, progress=progress)
        return _reported(linear(models, problem, best.tolist()), problem, threats, samples, device, tell)

    def worst(outputs: Callable[[Tensor], Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        def losses_of(x: Tensor) -> Tensor:
            return sample_losses(problem, outputs(x), targets)

        seen = [inputs if t is None else attack(losses_of, inputs, t.norm, t.radius, t.steps) for t in threats]
        return torch.stack([mean_loss(problem, outputs(x), targets) for x in seen]).max()

    how = Descent(epochs, lr, batch, samples, seed)
    found = learned(models, problem, worst, softmax, (0.0,) * len(models), per="model", split="val", how=how, device=device, progress=progress)
    return _reported(mixed(models, problem, found), problem, threats, samples, device, tell)


def _reported(
    soup: Weights, problem: Problem, threats: Sequence[Attack | None], samples: int, device: str, tell: Callable[[str], None] | None
) -> Weights:
    """The soup, once it has been said what it is worth under every threat."""
    if tell is None:
        return soup
    for threat in threats:
        evaluate = Evaluate(problem, [{k: soup[k] for k in problem.shapes()}], split="val", samples=samples, attack=threat, device=device)
        loss, error = evaluate(np.ones(1)).sum(axis=1) / evaluate.counts.sum()
        name = "clean inputs" if threat is None else f"{threat.norm} within {threat.radius:g}"
        wrong = f", error {100 * error:.2f} %" if registry.classifies(problem.spec.loss) else ""
        tell(f"{name}: loss {loss:.4g}{wrong} on {int(evaluate.counts.sum()):,} validation items")
    return soup


def chosen(
    models: Sequence[Weights],
    problem: Problem,
    threats: Sequence[Attack | None],
    *,
    metric: Literal["error", "loss"],
    steps: int,
    samples: int,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Array:
    """(n,) the grid's best coefficients. Refused when the grid is too large."""
    n = len(models)
    if (size := comb(steps + n - 1, n - 1)) > MOST:
        raise Refused(f"A grid of {steps} steps over {n} models has {size} points, more than {MOST}. Use fewer steps, or search='gradient'.")
    corners = [{k: m[k] for k in problem.shapes()} for m in models]
    evaluates = [Evaluate(problem, corners, split="val", samples=samples, attack=t, device=device) for t in threats]
    best, lowest = np.full(n, 1 / n), (np.inf, np.inf)
    for i, point in enumerate(simplex_grid(n, steps)):
        means = np.stack([e(point).sum(axis=1) / e.counts.sum() for e in evaluates])  # (threats, 2): loss, error
        loss, error = np.where(np.isfinite(means), means, np.inf).max(axis=0).tolist()
        value = (error, loss) if metric == "error" else (loss, error)
        if value < lowest:
            best, lowest = point, value
        progress(i + 1, size, f"mixture {i + 1} of {size}: worst {metric} so far {lowest[0]:.4g}")
    if not np.isfinite(lowest).all():
        raise Refused("No mixture of these models has a finite loss under every threat. Leave out broken models.")
    return best


def simplex_grid(n: int, steps: int) -> Iterator[Array]:
    """All (n,) coefficients that are multiples of 1/steps, are not negative, and sum to 1; the first model alone comes first."""

    def parts(left: int, places: int) -> Iterator[tuple[int, ...]]:
        if places == 1:
            yield (left,)
            return
        for first in range(left, -1, -1):
            for rest in parts(left - first, places - 1):
                yield (first, *rest)

    return (np.array(p, dtype=np.float64) / steps for p in parts(steps, n))
