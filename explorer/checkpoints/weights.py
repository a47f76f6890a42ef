"""Weights by state_dict name: mixing, inner products, distances.

Floating tensors are mixed; integer tensors (counters, indices) are copied from the first model. A mixture has the narrowest type that holds the values of
all its models (`promoted`). Half precision is computed in float32 and rounded to it: a mixture is the model that would be saved. Tied entries (one storage under two names) count
once. Inputs are never written to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor, nn

from explorer.checkpoints.lazy_weights import Streamed
from explorer.core.errors import Refused
from explorer.core.points import Array

Weights = dict[str, Tensor]

BLOCK = 2**16  # numbers that are mixed at once
AT_ONCE = 2**22  # numbers of each model that are multiplied at once


class Without(Mapping[str, Tensor]):
    """A model's tensors but one. Nothing is read before it is asked for, so that a model on its disk stays there (explorer.checkpoints.lazy_weights)."""

    def __init__(self, model: Mapping[str, Tensor], name: str) -> None:
        self._model, self._name = model, name

    def __getitem__(self, name: str) -> Tensor:
        if name == self._name:
            raise KeyError(name)
        return self._model[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._model if name != self._name)

    def __len__(self) -> int:
        return len(self._model) - (self._name in self._model)


def mix(models: Sequence[Mapping[str, Tensor]], coefficients: Sequence[float], out: Mapping[str, Tensor] | None = None) -> Weights:
    """Σ cᵢ·modelᵢ, tensor by tensor. A coefficient of exactly 0 leaves its model out, one of exactly 1 alone copies it bit for bit.

    `out`: tensors to write into (a network's own), in whose dtype and on whose device the sum is done; without it new tensors
    of the models' common dtype are returned. What all models have in half precision is rounded to that in either case.
    """
    parts = [(c, m) for c, m in zip(coefficients, models, strict=True) if c != 0.0]
    result: Weights = {}
    for name, like in models[0].items():
        kind = stored_type(models, name) if out is None or is_half(like) else like.dtype
        target = out[name] if out is not None else torch.empty_like(like, dtype=kind)
        if not (like.is_floating_point() and target.is_floating_point()):  # a counter, also one that a file holds as a float
            _put(target, like)
        elif not parts:
            target.zero_()
        elif kind.itemsize < 4 and len(parts) + (parts[0][0] != 1.0) > 1:
            _in_single([(c, m[name]) for c, m in parts], kind, target)
        else:
            (c, model), *rest = parts
            _put(target, model[name])
            if c != 1.0:
                target.mul_(c)
            for c, model in rest:
                target.add_(model[name].to(target.device, target.dtype), alpha=c)
        result[name] = target
    return result


def _put(target: Tensor, source: Tensor) -> None:
    """Copied, unless it lies there already: a network may compute with its corner's own tensors, whose file is mapped, and what is written to takes memory."""
    if (target.data_ptr(), target.dtype, target.stride()) != (source.data_ptr(), source.dtype, source.stride()):
        target.copy_(source)


def promoted(dtypes: Iterable[torch.dtype]) -> torch.dtype:
    """The narrowest type that holds the values of all, as torch promotes; float8, of which torch promotes none, is held by every wider one."""
    kinds = dict.fromkeys(dtypes)
    wider = [k for k in kinds if k.itemsize > 1 or not k.is_floating_point]
    return next(iter(kinds)) if len(kinds) == 1 else reduce(torch.promote_types, wider) if wider else torch.bfloat16


def stored_type(models: Sequence[Mapping[str, Tensor]], name: str) -> torch.dtype:
    """In what type a tensor that is made of the models' is saved; whole numbers, which are copied, in the first one's."""
    first = models[0][name].dtype
    return promoted(m[name].dtype for m in models) if first.is_floating_point else first


def is_half(tensor: Tensor) -> bool:
    """Whether a tensor holds decimals in less than single precision."""
    return tensor.is_floating_point() and tensor.element_size() < 4


def _in_single(parts: Sequence[tuple[float, Tensor]], kind: torch.dtype, target: Tensor) -> None:
    """Σ cᵢ·tensorᵢ in float32, rounded to `kind`, into the target. Product and sum are rounded each by itself: the very numbers that merging to a file rounds
    (explorer.checkpoints.arithmetic). On a CPU in blocks that stay in its cache, each tensor gone through once."""
    tensors = [tensor.detach() for _, tensor in parts]
    blocks = [target]
    if target.device.type == "cpu" and target.is_contiguous():
        blocks = list(target.view(-1).split(BLOCK))
        of = [t.reshape(-1).split(BLOCK) for t in tensors]
    else:
        of = [(t,) for t in tensors]
    for i, block in enumerate(blocks):
        total = of[0][i].to(block.device, torch.float32, copy=True).mul_(parts[0][0])
        for (c, _), other in zip(parts[1:], of[1:], strict=True):
            total.add_(other[i].to(block.device, torch.float32, copy=True).mul_(c))
        block.copy_(total if block.dtype == kind else total.to(kind))


def own_names(network: nn.Module) -> dict[str, str]:
    """Every name under which a state dict holds a parameter → the name that named_parameters gives it: tied tensors have several names, one of its own."""
    own = {id(p): name for name, p in network.named_parameters()}
    return {name: own[id(p)] for name, p in network.state_dict(keep_vars=True).items() if id(p) in own}


def gram(models: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> Array:
    """(C, C) inner products of the models as flat vectors over the named floating tensors, in float64; a tied tensor counts once."""
    result = np.zeros((len(models), len(models)))
    seen: set[tuple[object, ...]] = set()
    room = torch.empty(len(models), 0)
    for name in names:
        tensors = [m[name] for m in models]
        if not tensors[0].is_floating_point() or (key := tuple(place(m, name, t) for m, t in zip(models, tensors, strict=True))) in seen:
            continue
        seen.add(key)
        for start in range(0, tensors[0].numel(), AT_ONCE):
            parts = [t.detach().reshape(-1)[start : start + AT_ONCE] for t in tensors]
            device = parts[0].device if parts[0].is_cuda else torch.device("cpu")
            if room.device != device or room.shape[1] < len(parts[0]):  # made once: its pages cost more than the product
                room = torch.empty(len(parts), len(parts[0]), dtype=torch.float64, device=device)
            flat = room[:, : len(parts[0])]
            for row, part in zip(flat, parts, strict=True):
                row.copy_(part)
            result += (flat @ flat.T).cpu().numpy()
            for mapped in models if start else ():
                if isinstance(mapped, Streamed):
                    mapped.let_go()
    return result


def place(model: Mapping[str, Tensor], name: str, tensor: Tensor) -> object:
    """Equal for the tied tensors of a model. One that is made when it is asked for may come to lie where another lay."""
    return model.place(name) if isinstance(model, Streamed) else tensor.data_ptr()


def compatible(models: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> None:
    """Refused unless all models have the same tensors, of the same shapes."""
    first = models[0]
    for other, name in zip(models[1:], names[1:], strict=True):
        if missing := sorted(first.keys() ^ other.keys()):
            raise Refused(
                f"{names[0]} and {name} are of different architectures: {missing[0]!r} is in only one of them"
                f" ({len(missing)} such tensors). Choose checkpoints of one architecture."
            )
        for key, tensor in first.items():
            if tensor.shape != other[key].shape:
                raise Refused(f"{key} is {_shape(tensor)} in {names[0]} and {_shape(other[key])} in {name}. Choose checkpoints of equal widths.")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a scalar"
