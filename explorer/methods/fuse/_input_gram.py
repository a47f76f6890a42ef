"""What the layers of a model see, as Gram matrices: Xᵀ X over all that goes into a layer.

X has a row for each time a weight is applied: of a linear layer, the features of one sample (or of one token); of a convolution, one patch of the
image, its numbers in the weight's order (channel, then place in the kernel). A grouped convolution has one matrix for each group. Transposed
convolutions have none, as their outputs overlap; neither have weights that are used without their module being called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd  # pyright: ignore[reportPrivateUsage]  (the only common bases of the convolutions)

from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.evaluate.evaluator import CHUNK, network_like
from explorer.evaluate.weighted_layers import axes_of
from explorer.problems.problem import Problem

AT_ONCE = 2**24  # numbers of X that are held at once


def input_grams(
    problem: Problem,
    weights: Mapping[str, Tensor],
    *,
    only: Collection[str] | None = None,
    samples: int = 0,
    widest: int = 4096,
    device: str = "cpu",
    progress: Progress = quiet,
) -> dict[str, Tensor]:
    """For each layer's weight by name the (groups, d, d) float64 sum of Xᵀ X over the first samples of the train split, in eval mode; 0: all samples.

    In the order in which the layers are called. Left out: layers that are not among `only`, with more than `widest` inputs, those that are never called, and
    weights that several layers read.
    Refused when features are not finite.
    """
    network = network_like(problem, weights, torch.device(device))
    network.load_state_dict({n: weights[n] for n in network.state_dict()})
    inputs = problem.split("train").inputs[: samples or None]
    grams: dict[str, Tensor] = {}

    def note(name: str, module: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        x = args[0] if args else kwargs.get("input")
        assert isinstance(x, Tensor)
        for rows in _rows(module, x.detach()):  # (groups, observations, d)
            rows = rows.double()
            gram = rows.mT @ rows
            grams[name] = gram if name not in grams else grams[name].add_(gram)

    with ExitStack() as stack, torch.no_grad():
        for name, module in layers_of(network, widest).items():
            if only is not None and name not in only:
                continue
            stack.callback(module.register_forward_pre_hook(partial(note, name), with_kwargs=True).remove)
        for start in range(0, len(inputs), CHUNK):
            progress(start, len(inputs), f"inputs of layers: sample {start} of {len(inputs)}")
            chunk = inputs[start : start + CHUNK].to(device)
            network(chunk.to(next(network.parameters()).dtype) if chunk.is_floating_point() else chunk)
    if bad := [name for name, gram in grams.items() if not gram.isfinite().all()]:
        raise Refused(f"The input of {bad[0]} is not finite in one of the models: its features overflow, or are NaN. Leave this model out.")
    return {name: gram.cpu() for name, gram in grams.items()}


def layers_of(network: nn.Module, widest: int) -> dict[str, nn.Module]:
    """Layers that a Gram matrix can be had of, by the name of their weight: no other layer reads it, and it is stored under this name alone."""
    stored: dict[int, list[str]] = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        stored.setdefault(id(tensor), []).append(name)
    readers = Counter(id(getattr(module, "weight", None)) for module in network.modules())
    found: dict[str, nn.Module] = {}
    for name, module in network.named_modules():
        if (axes := axes_of(module)) is None or isinstance(module, _ConvTransposeNd):
            continue
        weight, key = cast("Tensor", module.weight), f"{name}.weight" if name else "weight"
        if stored.get(id(weight)) == [key] and readers[id(weight)] == 1 and _as_matrix(weight, module, axes.inputs).shape[-1] <= widest:
            found[key] = module
    return found


def as_matrix(weight: Tensor, module: nn.Module) -> Tensor:
    """(groups, outputs, d) the weight as it is applied to the rows of X: outputs = rows @ matrixᵀ."""
    axes = axes_of(module)
    return _as_matrix(weight, module, None if axes is None else axes.inputs)


def as_weight(matrix: Tensor, module: nn.Module, shape: torch.Size) -> Tensor:
    """The inverse of as_matrix."""
    flat = matrix.reshape(-1, matrix.shape[-1])
    return flat.T.reshape(shape) if _stored_the_other_way(module) else flat.reshape(shape)


def _stored_the_other_way(module: nn.Module) -> bool:
    """Whether inputs come first in the weight, as in the Conv1D of GPT-2."""
    return (axes := axes_of(module)) is not None and axes.inputs == 0


def _as_matrix(weight: Tensor, module: nn.Module, inputs: int | None) -> Tensor:
    if inputs == 0:
        return weight.T[None]
    return weight.reshape(module.groups if isinstance(module, _ConvNd) else 1, -1, weight[0].numel())


def _rows(module: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """(groups, observations, d) rows of X, some samples at a time."""
    if not isinstance(module, _ConvNd):
        yield x.reshape(1, -1, x.shape[-1])
        return
    dims = len(module.kernel_size)
    x = x if x.dim() == dims + 2 else x[None]
    pads = _pads(module)
    x = functional.pad(x, pads, mode="constant" if module.padding_mode == "zeros" else module.padding_mode)
    patches = x
    for axis, (kernel, stride, dilation) in enumerate(zip(module.kernel_size, module.stride, module.dilation, strict=True), start=2):
        patches = patches.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]  # a view: (n, channels, *places, *kernel)
    channels = patches.shape[1]
    each = patches[0].numel()
    for some in patches.split(max(1, AT_ONCE // max(1, each))):
        places_first = some.movedim(1, 1 + dims)  # (n, *places, channels, *kernel)
        split = places_first.reshape(-1, module.groups, channels // module.groups * torch.Size(module.kernel_size).numel())
        yield split.movedim(1, 0)


def _pads(module: _ConvNd) -> list[int]:
    """Padding of every axis before and after, last axis first."""
    if module.padding == "valid":
        return [0, 0] * len(module.kernel_size)
    if module.padding == "same":
        totals = [d * (k - 1) for k, d in zip(module.kernel_size, module.dilation, strict=True)]
        pairs = [(t // 2, t - t // 2) for t in totals]
    else:
        pairs = [(int(p), int(p)) for p in module.padding]
    return [p for pair in reversed(pairs) for p in pair]
