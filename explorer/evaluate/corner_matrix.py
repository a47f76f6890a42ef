"""All corners on one device, a row each, and the network as one row more: a mixture is then a single product of (1, C) and (C, P), for many points
(K, C) and (C, P), instead of a copy and C − 1 additions for each of some hundred tensors.

Costs C + 1 times the bytes of a network on the device; where they are not there, `CornerMatrix.if_it_fits` says None and mixing is done as before (weights.mix).
Rows begin their tensors at multiples of 256 bytes, as the fast kernels want them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from explorer.checkpoints.weights import Weights, mix
from explorer.evaluate.devices import memory
from explorer.evaluate.read_ahead import arrived, brought

ALIGNED = 64  # numbers
SHARE = 0.5  # of the free memory, at most


class TensorLayout(NamedTuple):
    """Where a tensor stands in a row."""

    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class CornerMatrix:
    """Corners of one network. From then on the network's floating tensors are views of one row, `row`; nothing else of it changes.

    `corners`: the same weights as given, on the device. `finite`: whether all of them are: 0 · ∞ would be NaN in a product, where mixing leaves out.
    """

    def __init__(self, network: nn.Module, corners: Sequence[Mapping[str, Tensor]]) -> None:
        tensors = network.state_dict(keep_vars=True)
        first = next(network.parameters())
        self.places: dict[str, TensorLayout] = {}
        named: dict[int, str] = {}
        size = 0
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and tensor.numel() and id(tensor) not in named:
                named[id(tensor)] = name
                self.places[name] = TensorLayout(size, tuple(tensor.shape), tensor.stride())
                size += -(-tensor.numel() // ALIGNED) * ALIGNED
        block = torch.zeros(len(corners) + 1, size, dtype=first.dtype, device=first.device)
        self.rows, self.row = block[:-1], block[-1]
        self.corners: list[Weights] = []
        for row, corner in zip(self.rows, corners, strict=True):
            here = {name: self._view(row, place) for name, place in self.places.items()}
            rest = {n: corner[n].to(first.device) for n in corner if n in tensors and id(tensors[n]) not in named}
            mix([{n: corner[n] for n in here}], (1.0,), out=here)
            self.corners.append({n: here[named[id(t)]] if id(t) in named else rest[n] for n, t in tensors.items()})
        self.finite = bool(torch.isfinite(self.rows).all())
        for name, place in self.places.items():
            tensors[name].data = self._view(self.row, place)
        mix(self.corners[:1], (1.0,), out=tensors)

    @classmethod
    def if_it_fits(cls, network: nn.Module, corners: Sequence[Mapping[str, Tensor]]) -> CornerMatrix | None:
        """The matrix of these corners; None where the device has no room for it."""
        device = next(network.parameters()).device
        free = memory(str(device))
        wanted = (len(corners) + 1) * sum(t.nbytes for t in network.state_dict().values())
        return cls(network, corners) if free is None or wanted <= SHARE * free.free else None

    def mix(self, shares: Tensor) -> None:
        """Let the network be Σ cᵢ·cornerᵢ. shares: (C,) on the device."""
        torch.mv(self.rows.T, shares, out=self.row)

    def stacked(self, shares: Tensor) -> Weights:
        """The tensors of many mixtures by name, the mixtures along the first axis. shares: (K, C) on the device."""
        block = shares @ self.rows
        return {
            name: block.as_strided((len(shares), *place.shape), (block.stride(0), *place.strides), place.start) for name, place in self.places.items()
        }

    def seen(self, row: Tensor, name: str) -> Tensor:
        """A tensor of a row that is laid out as these are."""
        return self._view(row, self.places[name])

    @staticmethod
    def _view(row: Tensor, place: TensorLayout) -> Tensor:
        return row.as_strided(place.shape, place.strides, row.storage_offset() + place.start)


def resident(corners: Sequence[Mapping[str, Tensor]], device: torch.device) -> Sequence[Mapping[str, Tensor]]:
    """The corners as they are stored, on a GPU that has room for them; else the same. Of those on the disk, the host holds no more than one at a time."""
    if device.type != "cuda":
        return corners
    ahead = [arrived(corner, device) for corner in corners]
    free, wanted = memory(str(device)), sum(t.nbytes for corner, here in zip(corners, ahead, strict=True) if here is None for t in corner.values())
    if free is None or wanted > SHARE * free.free:
        return corners
    return [here or brought(corner, device) for corner, here in zip(corners, ahead, strict=True)]
