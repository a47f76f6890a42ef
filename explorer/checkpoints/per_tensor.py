"""What every fusing method does alike: parameters go through it one tensor at a time, and all else is settled here.

Parameters are computed in float64, those of half precision in float32, and come back in the first model's dtype. Parameters that are tied in every
model (one memory under two names) are fused once and come back tied. Buffers with decimals, such as running statistics, are a mean whose coefficients
are never negative: a variance that is extrapolated can fall below zero. Integer buffers are the first model's. Beyond the models and the result there
are a few copies of one tensor in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor

from explorer.checkpoints.arithmetic import combined
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem

Kernel: TypeAlias = Callable[[str, Sequence[Tensor]], Tensor]
"""`kernel(name, tensors)`: one tensor of the result from the models' tensors of that name, which it must not write to."""


def by_tensor(models: Sequence[Weights], problem: Problem, kernel: Kernel, *, buffers: Sequence[float], progress: Progress = quiet) -> Weights:
    """The kernel over every parameter. `buffers`: a coefficient per model; negative ones are left out, the others made to sum to 1."""
    positive = [max(c, 0.0) for c in buffers]
    shares = [c / total for c in positive] if (total := math.fsum(positive)) > 0 else [1.0] + [0.0] * (len(models) - 1)
    parameters = set(parameters_of(models[0], problem))
    result: Weights = {}
    fused: dict[object, Tensor] = {}
    for i, (name, like) in enumerate(models[0].items()):
        progress(i, len(models[0]), name)
        tensors = [m[name].detach() for m in models]
        if not like.is_floating_point():
            result[name] = tensors[0].clone()
        elif name not in parameters:
            result[name] = combined(tensors, shares).to(like.dtype)
        else:
            memory = tuple((t.data_ptr(), t.shape, t.stride()) for t in tensors) if like.numel() else name
            if memory not in fused:
                fused[memory] = kernel(name, tensors).to(like.dtype)
            result[name] = fused[memory]
    progress(len(models[0]), len(models[0]), "done")
    return result


def linear(models: Sequence[Weights], problem: Problem, coefficients: Sequence[float], *, progress: Progress = quiet) -> Weights:
    """Σ cᵢ·Wᵢ. One coefficient of 1 and zeros elsewhere give that model bit for bit."""
    return by_tensor(models, problem, lambda _, tensors: combined(tensors, coefficients), buffers=coefficients, progress=progress)


def parameters_of(model: Mapping[str, Tensor], problem: Problem) -> list[str]:
    """Names of the tensors with decimals that are not buffers of the problem's network."""
    buffers = {name for name, _ in problem.network().named_buffers()}
    return [name for name, tensor in model.items() if tensor.is_floating_point() and name not in buffers]


def of_number(models: Sequence[Weights], allowed: tuple[int, int | None], method: str, what: str) -> None:
    """Refused unless the number of models is allowed, (least, most); `what` says which models the method needs."""
    least, most = allowed
    if len(models) < least or (most is not None and len(models) > most):
        raise Refused(
            f"{method} needs {what}, got {len(models)} model{'s' * (len(models) != 1)}. Choose {'more' if len(models) < least else 'fewer'}."
        )


def shares_of(weights: Sequence[float], count: int, method: str) -> tuple[float, ...]:
    """Relative weights, one per model and none negative, made to sum to 1; none given: equal ones."""
    given = tuple(weights) or (1.0,) * count
    if len(given) != count:
        raise Refused(f"{method} needs {count} weights, one per model that is merged (a base has none), got {len(given)}.")
    if not all(math.isfinite(w) and w >= 0 for w in given):
        raise Refused(f"{method} needs weights of 0 or more, got {given}. To subtract a model, use task_arithmetic with a negative coefficient.")
    if not (total := math.fsum(given)) > 0:
        raise Refused(f"{method}: the weights sum to zero. Give at least one model a weight above 0.")
    return tuple(w / total for w in given)
