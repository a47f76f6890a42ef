"""Sharpness: how much the loss rises when the weights move a little, on average and at worst.

δ = c⊙u. Average: the mean rise E L(θ + δ) − L(θ) over random u whose numbers are ρ in root mean square, ‖u‖ = ρ√n for n weights that move. Worst:
the maximum over the ball ‖u‖ ≤ r. As in Andriushchenko et al. 2023, "A Modern Look at the Relationship between Sharpness and Generalization".
What c is decides what is compared:

    element  c = |w|, every weight by its own size: adaptive sharpness (Kwon et al. 2021, "ASAM: Adaptive Sharpness-Aware Minimization"; p = 2).
             A ReLU unit whose incoming weights are doubled and outgoing halved computes the same, and is as sharp.
    filter   c = √mean w² of the filter, the weights that lead to one unit. Only tensors with two axes and more move; at random every filter of δ
             is ρ times as long as the model's (Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets"). Unchanged when whole
             layers are rescaled against each other, not when single units are.
    global   c = √mean w² of all weights: the plain ball. Networks that compute the same can differ by any factor (Dinh et al. 2017, "Sharp
             Minima Can Generalize For Deep Nets"): compare models that were trained alike.

In each, ρ = 0.1 moves the weights by some 10 per cent; r is of another kind, since a ball in many dimensions holds directions that are far worse
than all random ones. Random u are the same for all models. The worst is sought by steps to where the gradient in u points on the border, u ←
r·g/‖g‖, from the model on: where the loss is convex no step leads down (the generalised power method, Journée et al. 2010), and on a small network
it got higher in 20 steps than projected gradient ascent in 400. Of all points visited the highest counts: a lower bound of the maximum. On the
first `samples` of the train split, in evaluation mode, running statistics of batch norm held.

Intervals are 95 %. Average: over directions and samples. Worst: over samples with that perturbation held, which was chosen on them. Differences
from the first model are paired, sample by sample. None of them says how much another training run would differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, sqrt
from typing import Annotated

import numpy as np
import torch

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.evaluate.hessian import Curvature, crossed
from explorer.problems.problem import Problem
from explorer.stats.intervals import Estimate

SCALES = ("element", "filter", "global")
TINY = 1e-300


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    radii: tuple[float, ...] = (0.05, 0.1, 0.2),
    balls: tuple[float, ...] = (0.1, 0.3, 1.0),
    directions: Annotated[int, Range(2, 1000)] = 10,
    steps: Annotated[int, Range(1, 1000)] = 20,
    samples: Annotated[int, Range(0, 10000000)] = 512,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"radii", "balls", "samples", "models": [{"loss", scale: {"average", "worst", "average − first", "worst − first"}}]}.

    radii: ρ of the averages; balls: r of the maxima. There is an interval for each of them, [value, low, high]; a number that is not finite is
    None. The differences are there from the second model on.
    """
    for what, given in (("radii", radii), ("balls", balls)):
        if not given or not all(isfinite(r) and r > 0 for r in given):
            raise Refused(f"Sharpness needs one number or more as {what}, each above 0, such as 0.1 0.2; got {list(given)}.")
    total, done = len(models) * len(SCALES) * (len(radii) * directions + len(balls) * steps), 0

    def step() -> None:
        nonlocal done
        progress(done, total, f"Moving the weights: {done} of {total}")
        done += 1

    found: list[Json] = []
    first: dict[tuple[str, str], list[Array]] = {}
    count = 0
    for i, weights in enumerate(models):
        around = _Around(Curvature(problem, weights, samples=samples, device=device), seed, step)
        count = len(around.losses)
        entry: dict[str, Json] = {"loss": _plain(around.losses[None])}
        for scale in SCALES:
            rises = {"average": [around.average(scale, r, directions) for r in radii], "worst": [around.worst(scale, r, steps) for r in balls]}
            rows: dict[str, Json] = {what: [_plain(r) for r in each] for what, each in rises.items()}
            for what, each in rises.items():
                if i:
                    rows[f"{what} − first"] = [_plain(_apart(r, other)) for r, other in zip(each, first[scale, what], strict=True)]
                else:
                    first[scale, what] = each
            entry[scale] = rows
        found.append(entry)
    return {"radii": list(radii), "balls": list(balls), "samples": count, "directions": directions, "models": found}


class _Around:
    """One model, and the rises of its loss nearby. `step` is called before every evaluation."""

    def __init__(self, curvature: Curvature, seed: int, step: Callable[[], None]) -> None:
        self.curvature, self.seed, self.step = curvature, seed, step
        self.losses = curvature.losses()

    def average(self, scale: str, radius: float, directions: int) -> Array:
        """(directions, samples) rise of the loss of each sample along each random direction."""
        size = self._sizes(scale)
        found: list[Array] = []
        for d in range(directions):
            self.step()
            found.append(self.curvature.losses(radius * size * self._direction(scale, size, d)) - self.losses)
        return np.stack(found)

    def worst(self, scale: str, ball: float, steps: int) -> Array:
        """(1, samples) rises at the highest point visited."""
        size = self._sizes(scale)
        u = np.zeros_like(size)
        best, highest = u[:0], -np.inf
        for visit in range(steps + 1):
            if visit:
                self.step()
            losses, gradient = self.curvature.gradient(size * u)
            if not np.isfinite(losses).all():  # as high as can be
                return (losses - self.losses)[None]
            if losses.mean() > highest:
                best, highest = losses - self.losses, float(losses.mean())
            slope = size * gradient
            if not np.isfinite(slope).all():
                break
            if not slope.any():  # on top, or exactly at a minimum
                slope = self._direction(scale, size, visit)
            u = ball / max(float(np.linalg.norm(slope)), TINY) * slope
        return best[None]

    def _sizes(self, scale: str) -> Array:
        """(n,) what every weight is measured by; 0: it does not move."""
        if scale == "element":
            return self.curvature.origin.abs().cpu().double().numpy()
        if scale == "global":
            return np.full(self.curvature.size, sqrt(float(self.curvature.origin.double().square().mean())))
        filters = [
            p.double().flatten(1).square().mean(dim=1, keepdim=True).sqrt().expand(-1, p[0].numel()).reshape(-1)
            if p.dim() >= 2
            else torch.zeros(p.numel(), dtype=torch.float64)
            for p in self.curvature.parameters.values()
        ]
        return torch.cat([f.cpu() for f in filters]).numpy()

    def _direction(self, scale: str, size: Array, number: int) -> Array:
        """(n,) a random direction: its squares are 1 on average over the weights that move, with `filter` over those of every filter."""
        z = np.random.default_rng((self.seed, number)).standard_normal(len(size)) * (size > 0)
        if scale != "filter":
            return z * sqrt(np.count_nonzero(size)) / max(float(np.linalg.norm(z)), TINY)
        begin = 0
        for p in self.curvature.parameters.values():
            if p.dim() >= 2:
                rows = z[begin : begin + p.numel()].reshape(len(p), -1)  # a view: written in place
                rows *= sqrt(rows.shape[1]) / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
            begin += p.numel()
        return z


def _apart(mine: Array, other: Array) -> Array:
    """Paired differences; those of what is not finite are not, either."""
    with np.errstate(invalid="ignore"):  # inf − inf
        return mine - other


def _plain(values: Array) -> Json:
    """The mean of (directions, samples) values with its interval; the value alone of a single number."""
    if not np.isfinite(values).all():
        return [None, None, None]
    estimate = Estimate(float(values[0, 0]), float("nan"), float("nan")) if values.size == 1 else crossed(values)
    return [v if isfinite(v) else None for v in (estimate.value, estimate.low, estimate.high)]
