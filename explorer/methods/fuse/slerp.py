"""Slerp: from the first model to the second along an arc, so that the weights do not shrink half-way.

Shoemake 1985, "Animating rotation with quaternion curves": sin((1 − t)θ)/sin θ · A + sin(tθ)/sin θ · B, θ being the angle between A and
B as seen from the origin, for every tensor by itself or for the whole model as one vector. Where A and B are equally long, so is every point between.

Directions nearer than a ten-thousandth of a radian are mixed linearly, where arc and line agree to nine digits; so is what has no direction: a tensor
that is zero in one model, or a single number. Between opposite directions there is no shortest arc, so that is refused. t = 0 and t = 1 are the
models bit for bit. Batch-norm statistics are mixed linearly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from explorer.checkpoints.arithmetic import products
from explorer.checkpoints.passes import Found, FromAll, Kernel, Passes, each
from explorer.checkpoints.per_tensor import by_block, of_number, sums
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.problems.problem import Problem

MODELS = (2, 2)  # fewest and most models
PARALLEL = 1e-4  # radians


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    t: Annotated[float, Range(0, 1)] = 0.5,
    scope: Literal["tensor", "model"] = "tensor",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `scope`: the angle is each tensor's own, or that of the whole models."""
    of_number(models, MODELS, "slerp", "two models")
    found = arc(t)
    return by_block(models, problem, FromAll(found) if scope == "model" else each(found), buffers=(1 - t, t), progress=progress)


def arc(t: float) -> Found:
    """The sum that is the point at t of the arc between what the passes show; of a single number, which has no direction, of the line."""

    def found(passes: Passes) -> Kernel:
        return sums(coefficients(products(passes()), t, passes.name) if passes.numel > 1 else (1 - t, t))

    return found


def coefficients(products: Array, t: float, what: str) -> tuple[float, float]:
    """What A and B are multiplied by, from their (2, 2) inner products."""
    lengths = math.sqrt(products[0, 0] * products[1, 1])
    if t in (0, 1) or lengths == 0:
        return 1 - t, t
    angle = math.acos(max(-1.0, min(1.0, products[0, 1] / lengths)))
    if angle < PARALLEL:
        return 1 - t, t
    if math.pi - angle < PARALLEL:
        raise Refused(
            f"slerp found the two models pointing in opposite directions in {what}, where no arc is the shortest. Align them first, or use interpolate."
        )
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)
