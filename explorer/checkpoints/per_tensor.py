"""What every fusing method does alike: parameters go through it one tensor at a time, and all else is settled here.

    by_entry    what works entry by entry: sums, means, a median
    by_block    what goes over a tensor several times, or over the whole models first: angles, thresholds
    by_tensor   what wants a tensor in one piece

A method that returns what one of them gives merges models in memory, and from file to file as well: where the models are `Unread`, nothing is computed, and
what comes back says how it is done (`Deferred`); `explorer.merging` then does it, block by block.

Parameters are computed in float64, those of half precision in float32, and come back in the narrowest type that holds the values of all models. Parameters that are tied in every
model (one memory under two names) are fused once and come back tied. Buffers with decimals, such as running statistics, are a mean whose coefficients
are never negative: a variance that is extrapolated can fall below zero. Integer buffers are the first model's. Beyond the models and the result there
are a few blocks in memory, or a few copies of one tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import combined, weighted
from explorer.checkpoints.passes import All, FromAll, InMemory, Kernel, MergeRule, made
from explorer.checkpoints.weights import Weights, stored_type
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem

TensorKernel: TypeAlias = Callable[[str, Sequence[Tensor]], Tensor]
"""`kernel(name, tensors)`: one tensor of the result from the models' tensors of that name as they are stored, which it must not write to."""

EntryKernel: TypeAlias = Callable[[list[Tensor]], Tensor]
"""`kernel(tensors)`: entries of the result from the models' entries in the precision that is computed in, which it must not write to."""


class Unread(dict[str, Tensor]):
    """A model of which only names, shapes and dtypes are known: its tensors are on torch's meta device and have no values."""


class Deferred(dict[str, Tensor]):
    """What `Unread` models would be fused to, without values as they are: `way` says how, `models` of which, in their order."""

    def __init__(self, models: Sequence[Weights], rule: MergeRule) -> None:
        super().__init__(models[0])
        self.models, self.rule = tuple(models), rule


def by_entry(
    models: Sequence[Weights], problem: Problem, kernel: EntryKernel, *, buffers: Sequence[float] = (), progress: Progress = quiet
) -> Weights:
    """The kernel over every parameter, so many entries at a time as is fast. `buffers`: a coefficient per model, as in `Way`; none: equal ones."""
    shares = tuple(buffers) or (1.0,) * len(models)
    return _fused(models, problem, MergeRule(lambda passes: map(kernel, passes()), shares), progress)


def by_block(
    models: Sequence[Weights],
    problem: Problem,
    kernel: Kernel | FromAll,
    *,
    buffers: Sequence[float],
    rows: bool = False,
    progress: Progress = quiet,
) -> Weights:
    """The kernel over every parameter. `rows`: its blocks are whole rows. `buffers`: a coefficient per model, as in `Way`."""
    return _fused(models, problem, MergeRule(kernel, tuple(buffers), "rows" if rows else "entries"), progress)


def by_tensor(models: Sequence[Weights], problem: Problem, kernel: TensorKernel, *, buffers: Sequence[float], progress: Progress = quiet) -> Weights:
    """The kernel over every parameter, each in one piece. `buffers`: a coefficient per model, as in `Way`."""
    rule = MergeRule(lambda passes: (kernel(passes.name, tensors) for tensors in passes()), tuple(buffers), "whole")
    return _fused(models, problem, rule, progress)


def linear(models: Sequence[Weights], problem: Problem, coefficients: Sequence[float], *, over: float = 1.0, progress: Progress = quiet) -> Weights:
    """Σ cᵢ·Wᵢ, divided by `over` in the end. One coefficient of 1 and zeros elsewhere give that model bit for bit."""
    return by_block(models, problem, sums(coefficients, over), buffers=coefficients, progress=progress)


def sums(coefficients: Sequence[float], over: float = 1.0) -> Kernel:
    """The kernel of Σ cᵢ·Wᵢ, divided by `over` in the end."""
    return lambda passes: (weighted(tensors, coefficients, over) for tensors in passes())


def in_memory(models: Sequence[Weights], why: str) -> None:
    """Refused where models are merged from file to file; `why`: what a method does that cannot be done tensor by tensor."""
    if any(isinstance(m, Unread | Deferred) for m in models):
        raise Refused(f"{why}, so it cannot go block by block. Add --problem with the problem that the models are of, to merge them in memory.")


def _fused(models: Sequence[Weights], problem: Problem, rule: MergeRule, progress: Progress) -> Weights:
    if all(isinstance(m, Unread) for m in models):
        return Deferred(models, rule)
    in_memory(models, "This method goes over what it has fused before")
    parameters = set(parameters_of(models[0], problem))
    result: Weights = {}
    fused: dict[object, Tensor] = {}
    kernel = rule.kernel
    if isinstance(kernel, FromAll):
        progress(0, len(models[0]), "going over the whole models")
        once = {_memory(name, models): name for name in reversed(models[0]) if name in parameters}
        kernel = kernel.found(All([InMemory(name, [m[name].detach() for m in models], rule.cut) for name in once.values()]))
    for i, (name, like) in enumerate(models[0].items()):
        progress(i, len(models[0]), name)
        tensors = [m[name].detach() for m in models]
        if not like.is_floating_point():
            result[name] = tensors[0].clone()
        elif name not in parameters:
            result[name] = combined(tensors, rule.shares).to(stored_type(models, name))
        else:
            memory = _memory(name, models)
            if memory not in fused:
                fused[memory] = _filled(like, stored_type(models, name), kernel, InMemory(name, tensors, rule.cut))
            result[name] = fused[memory]
    progress(len(models[0]), len(models[0]), "done")
    return result


def _filled(like: Tensor, dtype: torch.dtype, kernel: Kernel, passes: InMemory) -> Tensor:
    result = torch.empty(like.shape, dtype=dtype, device=like.device)
    flat, start = result.view(-1), 0
    for block in made(kernel, passes):
        flat[start : start + block.numel()] = block.reshape(-1)
        start += block.numel()
    return result


def _memory(name: str, models: Sequence[Weights]) -> object:
    """Equal for names under which every model holds one memory; of tensors without entries, which have none, the name."""
    return tuple((m[name].data_ptr(), m[name].shape, m[name].stride()) for m in models) if models[0][name].numel() else name


def parameters_of(model: Mapping[str, Tensor], problem: Problem) -> list[str]:
    """Names of the tensors with decimals that are not buffers of the problem's network."""
    buffers = {name for name, _ in problem.skeleton().named_buffers()}
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
