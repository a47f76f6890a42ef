"""Karcher mean: the mean of any number of models on the sphere, slerp's counterpart for more than two.

Karcher 1977, "Riemannian center of mass and mollifier smoothing"; Buss & Fillmore 2001, "Spherical averages and applications to spherical splines and
interpolation". The models' directions uᵢ = Wᵢ/‖Wᵢ‖ have as their mean the point p of the unit sphere with the least Σ λᵢ·angle(p, uᵢ)².
From the normalised linear mean on, p moves along Σ λᵢ·log_p(uᵢ) until that step is shorter than `tolerance` (radians). The result is p times the mean
length. For every tensor by itself, or for the whole model as one vector.

p stays among the combinations of the models, so everything is computed from their N × N inner products, however large the models are. What has no
direction (a tensor that is zero in one model, a single number) is averaged linearly. Two models of equal length give slerp's midpoint. Directions
that cancel, or lie opposite to the mean, have no mean and are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeAlias

import numpy as np

from explorer.checkpoints.arithmetic import products
from explorer.checkpoints.passes import Found, FromAll, Kernel, Passes, each
from explorer.checkpoints.per_tensor import by_block, shares_of, sums
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.problems.problem import Problem

Settled: TypeAlias = Callable[[str, int, float], None]
"""Is told of what, after how many steps, and how long the last one was in radians."""

CANCELLED = 1e-4  # length of a mean of unit vectors below which it has no direction; radians from opposite


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    weights: tuple[float, ...] = (),
    scope: Literal["tensor", "model"] = "tensor",
    steps: Annotated[int, Range(1, 10000)] = 100,
    tolerance: Annotated[float, Range(1e-7, 0.1)] = 1e-6,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `weights`: how much each counts, empty for equally; `steps`: the most that are taken, else refused."""
    shares = shares_of(weights, len(models), "karcher")
    done, total = 0, 1 if scope == "model" else len(models[0])

    def settled(what: str, taken: int, last: float) -> None:
        nonlocal done
        done += 1
        progress(done, total, f"{what}: {taken} steps, the last of {last:.1e} radians")

    found = centre(shares, steps, tolerance, settled)
    return by_block(models, problem, FromAll(found) if scope == "model" else each(found), buffers=shares)


def _quiet(what: str, taken: int, last: float) -> None:
    """Nobody is told."""


def centre(shares: Sequence[float], steps: int, tolerance: float, settled: Settled = _quiet) -> Found:
    """The sum that is the mean of what the passes show; of a single number, which has no direction, the linear one. `settled` is told of its steps."""

    def found(passes: Passes) -> Kernel:
        if passes.numel < 2:
            return sums(shares)
        mixture, taken, last = mean(products(passes()), np.array(shares), steps, tolerance, passes.name)
        settled(passes.name, taken, last)
        return sums(mixture.tolist())

    return found


def mean(products: Array, λ: Array, steps: int, tolerance: float, what: str) -> tuple[Array, int, float]:
    """What each model is multiplied by, from their (N, N) inner products; the steps taken, and the length of the last in radians."""
    used = λ > 0
    lengths = np.where(used, np.sqrt(np.diag(products)), 1.0)
    if not lengths.all():
        return λ, 0, 0.0
    cosines = products / np.outer(lengths, lengths)  # inner products of the directions; p, too, is a combination of these
    p = _unit(λ, cosines, what)
    step = np.inf
    for taken in range(steps + 1):
        cos = np.clip(cosines @ p, -1, 1)
        angle = np.where(used, np.arccos(cos), 0.0)
        if np.pi - angle.max() < CANCELLED:
            raise Refused(f"karcher found a model pointing opposite to the mean of all in {what}. Align the models first, or use uniform_soup.")
        towards = λ / np.sinc(angle / np.pi)  # λ·angle/sin(angle): of log_p(u) = angle/sin(angle) · (u − cos(angle)·p)
        move = towards - (towards @ cos) * p
        step = float(np.sqrt(max(move @ cosines @ move, 0.0)))
        if step < tolerance:
            return p / lengths * (λ @ lengths), taken, step
        p = _unit(np.cos(step) * p + np.sin(step) / step * move, cosines, what)
    raise Refused(
        f"karcher has not converged in {what} after {steps} steps; the next would be {step:.1e} radians. Allow more steps or a larger tolerance."
    )


def _unit(p: Array, cosines: Array, what: str) -> Array:
    if (length := np.sqrt(max(p @ cosines @ p, 0.0))) < CANCELLED:
        raise Refused(
            f"karcher found that the models' directions cancel in {what}, so they have no mean. Align the models first, or use uniform_soup."
        )
    return p / length
