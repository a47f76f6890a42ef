"""Curvature spectrum: the eigenvalues of the Hessian of the train loss at each model.

The largest eigenvalues (signed) and the smallest by Lanczos, the trace by Hutchinson's estimator, the density of all by stochastic Lanczos
quadrature: explorer.evaluate.hessian, with the literature there. On the first `samples` of the train split, in evaluation mode, with the running statistics of
batch norm held fixed.

An eigenvalue comes with `residual` (an exact eigenvalue of these samples' Hessian lies within it) and a 95 % interval over samples, to first order:
the eigenvector is held, and its curvature measured on each of some parts of the samples. That leaves out that the largest of several is too high on
average, and with few samples that is a lot. The trace's interval is over probes and samples. Eigenvalues depend on how a network's weights are scaled,
also where the function does not.

A model that is a minimum has no negative eigenvalue; one that is far below zero says that training stopped on a slope or a saddle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.evaluate.hessian import Curvature, crossed, density, top, trace
from explorer.problems.problem import Problem

PARTS = 16  # of the samples: what is differentiated at once
FINER = 64  # where an interval is taken over them
USUAL = 60  # products that Lanczos takes for a few eigenvalues, more or less: what progress is told against


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    count: Annotated[int, Range(1, 100)] = 5,
    probes: Annotated[int, Range(2, 1000)] = 16,
    density_probes: Annotated[int, Range(1, 100)] = 2,
    steps: Annotated[int, Range(2, 1000)] = 40,
    samples: Annotated[int, Range(0, 10000000)] = 512,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"parameters", "samples", "models": [{"loss", "gradient", "largest", "smallest", "trace", "density": {"grid", "values"}}]}.

    loss, gradient: mean, and length of its gradient. largest, falling, and smallest: [{"value", "low", "high", "residual"}]; trace: [value, low,
    high]. Refused when the loss is not finite, or when the network has fewer parameters than eigenvalues are asked for.
    """
    each = 2 * USUAL + count + 1 + probes + density_probes * steps
    found: list[Json] = []
    size = used = 0
    for i, weights in enumerate(models):
        curvature = Curvature(problem, weights, samples=samples, parts=PARTS, device=device)
        size, used = curvature.size, curvature.samples
        if used < 2:
            raise Refused("A spectrum with intervals needs 2 samples or more, and the train split gives 1. Use more samples.")
        measured = _MeasuredSpectrum(curvature, i, each * len(models), i * each, progress)
        losses, gradient = curvature.gradient()
        largest = top(measured, size, count, seed=seed)
        smallest = top(lambda v, m=measured: -m(v), size, 1, seed=seed)
        measured.begin(2 * USUAL)
        entry: dict[str, Json] = {"loss": float(losses.mean()), "gradient": float(np.linalg.norm(gradient))}
        entry["largest"] = [measured.eigenvalue(vector) for vector in largest[1].T]
        entry["smallest"] = [measured.eigenvalue(smallest[1][:, 0])]
        estimate = trace(measured.shares, size, probes=probes, seed=seed)
        entry["trace"] = [estimate.value, estimate.low, estimate.high]
        grid, values = density(measured, size, probes=density_probes, steps=steps, seed=seed + 1)
        entry["density"] = {"grid": grid.tolist(), "values": values.tolist()}
        found.append(entry)
    return {"parameters": size, "samples": used, "models": found}


class _MeasuredSpectrum:
    """Products with the Hessian, counted for whoever is waiting."""

    def __init__(self, curvature: Curvature, model: int, total: int, before: int, progress: Progress) -> None:
        self.curvature, self.model, self.total, self.before, self.progress = curvature, model, total, before, progress
        self.done = 0

    def __call__(self, vector: Array) -> Array:
        return self._applied(vector)[0]

    def shares(self, vector: Array) -> Array:
        """(parts,) vᵀHₚv."""
        return self._applied(vector, FINER)[1]

    def eigenvalue(self, vector: Array) -> Json:
        """What a unit eigenvector's value is, how far it is off, and how it differs between parts of the samples."""
        ahead, shares = self._applied(vector, FINER)
        value, estimate = float(vector @ ahead), crossed(shares[None])
        return {"value": value, "low": estimate.low, "high": estimate.high, "residual": float(np.linalg.norm(ahead - value * vector))}

    def begin(self, done: int) -> None:
        """Lanczos took more or fewer products than usual: go on counting from here."""
        self.done = done

    def _applied(self, vector: Array, parts: int = 0) -> tuple[Array, Array]:
        self.progress(min(self.before + self.done, self.total - 1), self.total, f"Curvature of model {self.model + 1}")
        self.done += 1
        return self.curvature.applied(vector, parts)
