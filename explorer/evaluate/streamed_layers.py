"""A network that does not fit on its device: layer by layer its weights are mixed there just before they are needed, and given up after.

What lies on the device at a time is the block that answers and the next one, which is brought and mixed by another thread (on a GPU on a stream of its own)
while the first answers. The corners stay where they are: in memory, or on their disk (explorer.checkpoints.lazy_weights). A block is the largest part of the
network that takes at most `BLOCK` bytes; what belongs to a larger part directly, or is a buffer, stays on the device as long as a mixture is held, and so does a
block that others read, such as an embedding that the last layer shares: that is found by watching the network answer (`watch`). Every answer of the network goes through all of its weights once, so as many samples as possible should be asked at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explorer.checkpoints.weights import Weights, mix
from explorer.core.errors import Refused
from explorer.evaluate.batch_norm import has_batch_norm

BLOCK = 2**29


@dataclass(frozen=True, eq=False)
class _Block:
    """A part of the network, and the names of its tensors in the state dict."""

    module: nn.Module
    names: tuple[str, ...]


class StreamedLayers:
    """The weights of a network whose tensors hold no memory until a mixture is held and its layers are asked.

    `network`: hollow, on its device, in the type it computes in (Problem.blank). Refused for a network with batch norm, whose statistics would need every
    layer at once.
    """

    def __init__(self, network: nn.Module, corners: Sequence[Mapping[str, Tensor]], *, block: int = BLOCK) -> None:
        if has_batch_norm(network):
            raise Refused(
                "This network is larger than its device, and has batch norm, whose statistics need all of it at once. Use a device with more memory."
            )
        self.network, self.corners, self.device = network, corners, next(network.parameters()).device
        self.tensors = network.state_dict(keep_vars=True)
        self.hollow = {name: tensor.data for name, tensor in self.tensors.items()}
        self.blocks = _blocks(network, block)
        inside = {name for b in self.blocks for name in b.names}
        self.resident = tuple(name for name in self.tensors if name not in inside)
        self.coefficients: tuple[float, ...] = ()
        self.order: list[_Block] = []  # as they were asked the first time
        self.coming: tuple[_Block, tuple[float, ...], Future[tuple[Weights, object]]] | None = None
        self.thread = ThreadPoolExecutor(1, "layers")
        self.stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        for b in self.blocks:
            b.module.register_forward_pre_hook(self._asked(b))
            b.module.register_forward_hook(self._answered(b), always_call=True)

    def hold(self, coefficients: Sequence[float]) -> None:
        """Let the network be Σ cᵢ·cornerᵢ from now on."""
        self.coefficients = tuple(map(float, coefficients))
        self._settle(self._mixed(self.resident, self.coefficients))

    @torch.no_grad()
    def watch(self, inputs: Tensor) -> None:
        """Find out, on some inputs, which blocks are read while they are not the ones that are asked; they stay on the device from now on."""
        while True:
            with _Reading({_storage(self.hollow[n]): b for b in self.blocks for n in b.names}) as seen:
                self.network(inputs)
            if not seen.read:
                return
            self.order.clear()
            for b in seen.read:
                self.blocks.remove(b)
                self.resident += b.names
            self.hold(self.coefficients)

    def _asked(self, block: _Block) -> Callable[[nn.Module, object], None]:
        def before(module: nn.Module, given: object) -> None:
            if block not in self.blocks:
                return
            found, ready = self._brought(block)
            if self.stream is not None:
                here = torch.cuda.current_stream(self.device)
                here.wait_event(ready)  # pyright: ignore[reportArgumentType]
                for tensor in found.values():
                    tensor.record_stream(here)
            self._settle(found)
            if block not in self.order:
                self.order.append(block)
            following = self.order[(self.order.index(block) + 1) % len(self.order)]
            if following is not block:
                self.coming = following, self.coefficients, self.thread.submit(self._bring, following.names, self.coefficients)

        return before

    def _answered(self, block: _Block) -> Callable[[nn.Module, object, object], None]:
        def after(module: nn.Module, given: object, answer: object) -> None:
            if block in self.blocks:
                self._settle({name: self.hollow[name] for name in block.names})

        return after

    def _brought(self, block: _Block) -> tuple[Weights, object]:
        """The block's mixture: what was brought meanwhile, if that is it."""
        coming, self.coming = self.coming, None
        if coming is not None:
            found = coming[2].result()
            if coming[0] is block and coming[1] == self.coefficients:
                return found
        return self._bring(block.names, self.coefficients)

    def _bring(self, names: Sequence[str], coefficients: tuple[float, ...]) -> tuple[Weights, object]:
        if self.stream is None:
            return self._mixed(names, coefficients), None
        with torch.cuda.stream(self.stream):
            found = self._mixed(names, coefficients)
            ready = torch.cuda.Event()
            ready.record()
            return found, ready

    @torch.inference_mode(False)
    @torch.no_grad()
    def _mixed(self, names: Sequence[str], coefficients: tuple[float, ...]) -> Weights:
        out = {name: torch.empty(self.tensors[name].shape, dtype=self.tensors[name].dtype, device=self.device) for name in names}
        return mix([{name: corner[name] for name in names} for corner in self.corners], coefficients, out=out)

    def _settle(self, found: Mapping[str, Tensor]) -> None:
        for name, tensor in found.items():
            self.tensors[name].data = tensor


class _Reading(TorchDispatchMode):
    """Notes whose memory is read: `of` says to which block it belongs."""

    def __init__(self, of: Mapping[int, _Block]) -> None:
        super().__init__()
        self.of = of
        self.read: list[_Block] = []

    def __torch_dispatch__(self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if not func.is_view and func.overloadpacket.__name__ not in ("detach", "alias"):
            for tensor in tree_leaves((args, kwargs)):
                if isinstance(tensor, Tensor) and (block := self.of.get(_storage(tensor))) is not None and block not in self.read:
                    self.read.append(block)
        return func(*args, **(kwargs or {}))


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]


def _blocks(network: nn.Module, most: int) -> list[_Block]:
    """The largest parts that are called and whose parameters fit, none within another; without what has several names."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    times = Counter(map(id, parameters.values()))
    found: list[_Block] = []

    def walk(module: nn.Module, prefix: str) -> None:
        names = tuple(n for n in parameters if n.startswith(prefix) and times[id(parameters[n])] == 1)
        if (
            prefix
            and type(module).forward is not nn.Module.forward
            and sum(parameters[n].numel() * parameters[n].element_size() for n in names) <= most
        ):
            found.extend([_Block(module, names)] if names else [])
            return
        for name, child in module.named_children():
            walk(child, f"{prefix}{name}.")

    walk(network, "")
    return found
