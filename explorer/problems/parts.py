"""Several inputs of one network, such as an image and what is known beside it, in one tensor: whatever works with inputs works with these.

Each part has a name, which is that of an argument of the network's forward. Real numbers alone lie side by side in float32 (n, D). Where one of the parts
holds whole numbers or truth values, it is their 32 bits that lie there, as int32, so that nobody takes them for numbers that may be moved a little. The
network takes them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn

from explorer.core.errors import Refused


@dataclass(frozen=True)
class Part:
    """One of the inputs: its name, the shape of a sample (() for one number), and the type in which the network is given it: float32, int64 or bool."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.name} {'×'.join(map(str, self.shape)) or 'a single number'}"


def packed(given: Mapping[str, Tensor]) -> tuple[Tensor, tuple[Part, ...]]:
    """Parts (n, …), float32, int64 or bool, in one tensor (n, D); and what they are. Refused where a number cannot be held."""
    parts = tuple(Part(name, tuple(t.shape[1:]), t.dtype) for name, t in given.items())
    for name, t in given.items():
        if t.is_floating_point() and (bad := int((~t.isfinite()).reshape(len(t), -1).any(dim=1).sum())):
            raise Refused(f"{bad} of {len(t)} samples have numbers in {name} that are NaN, infinite or beyond float32. Correct or remove them.")
        if t.dtype == torch.int64 and t.numel() and not -(2**31) <= int(t.min()) <= int(t.max()) < 2**31:
            raise Refused(f"The whole numbers of {name} go from {int(t.min())} to {int(t.max())}; they must fit into 32 bits.")
    if all(p.dtype == torch.float32 for p in parts):
        return torch.cat([t.reshape(len(t), -1) for t in given.values()], dim=1), parts
    bits = [t.contiguous().view(torch.int32) if t.is_floating_point() else t.to(torch.int32) for t in given.values()]
    return torch.cat([t.reshape(len(t), -1) for t in bits], dim=1), parts


def unpacked(inputs: Tensor, parts: tuple[Part, ...], dtype: torch.dtype) -> dict[str, Tensor]:
    """The parts again, real numbers in `dtype` where they were bits."""
    columns = inputs.split([prod(p.shape) for p in parts], dim=1)
    return {p.name: _restored(c, p, dtype) for c, p in zip(columns, parts, strict=True)}


def taking(network: nn.Module, parts: tuple[Part, ...]) -> nn.Module:
    """The network, which takes packed inputs from now on: an object of a class made for it, so that torch.export sees what it takes."""
    kind = type(network)

    def forward(self: nn.Module, inputs: Tensor) -> Any:
        weight = next(self.parameters(), inputs)
        return cast("Any", kind).forward(self, **unpacked(inputs, parts, weight.dtype if weight.is_floating_point() else torch.float32))

    network.__class__ = type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
    return network


def asked(text: tuple[str, ...]) -> dict[str, str]:
    """Names of arguments, and where each comes from: texts of the form argument=source, or one name for both. Refused for what is named twice."""
    found: dict[str, str] = {}
    for each in text:
        name, _, source = (t.strip() for t in each.partition("="))
        if not name.isidentifier() or name in found:
            raise Refused(f"'inputs' needs different names of the network's arguments, each as name or name=source; got {each!r}.")
        found[name] = source or name
    return found


def _restored(column: Tensor, part: Part, dtype: torch.dtype) -> Tensor:
    if not column.is_floating_point():
        column = column.contiguous().view(torch.float32).to(dtype) if part.dtype == torch.float32 else column.to(part.dtype)
    return column.unflatten(1, part.shape) if part.shape else column.squeeze(1)
