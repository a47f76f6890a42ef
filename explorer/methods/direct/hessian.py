"""Directions of largest curvature: along which the loss around a model rises fastest.

The eigenvectors of the Hessian of the mean train loss with the two largest eigenvalues λ (signed), by Lanczos on exact products H v
(explorer.evaluate.hessian); as in Yao et al. 2020, "PyHessian: Neural Networks Through the Lens of the Hessian". Each is as long as the distance at which the
quadratic model predicts a rise of `rise` nats, √(2·rise/|λ|) (of the loss, where that is not measured in nats). So the picture shows how far the
quadratic model holds: where it does, the contour at that rise runs through the ends of both.

The quadratic model leaves the gradient out, which at a model in the middle of training is not small. Where λ is negative the loss falls. The sign
of an eigenvector means nothing; it is chosen so that its largest entry is positive. Evaluation mode, with running statistics of batch norm as they
are. Takes some 30 to 100 products, each as costly as several evaluations of the samples; `samples`: of the train split, 0 for all. With few samples the
directions are those of the samples, not of the data.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.hessian import Curvature, top
from explorer.problems.problem import Problem

FLAT = 1e-6  # of the largest eigenvalue, below which another is rounding
USUAL = 40  # products that Lanczos takes, more or less: what progress is told against


def directions(
    weights: Weights,
    problem: Problem,
    *,
    samples: Annotated[int, Range(0, 10000000)] = 1024,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    rise: Annotated[float, Range(0.000001, 1000000)] = 1.0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> list[Weights]:
    """Two directions, for every parameter of the network a tensor of its shape and dtype. Refused where the loss is flat or not finite."""
    curvature = Curvature(problem, weights, samples=samples, device=device)
    done = 0

    def product(vector: Array) -> Array:
        nonlocal done
        progress(min(done, USUAL - 1), USUAL, f"Curvature: {done} products")
        done += 1
        return curvature(vector)

    if curvature.size < 2:
        raise Refused("A plane needs two directions, and this network has one parameter.")
    values, vectors = top(product, curvature.size, 2, seed=seed)
    if not (np.abs(values) > FLAT * np.abs(values).max()).all():
        raise Refused(
            f"The loss does not curve along two directions here: the two largest eigenvalues of its Hessian are {values[0]:.3g} and {values[1]:.3g}."
            " Use random directions, or another model."
        )
    lengths = np.sqrt(2 * rise / np.abs(values))
    found = [curvature.tensors(length * vector) for length, vector in zip(lengths, vectors.T, strict=True)]
    if not all(t.isfinite().all() for direction in found for t in direction.values()):
        raise Refused(f"A direction that raises the loss by {rise:g} is too long for the checkpoint's half precision. Use a smaller rise.")
    return found
