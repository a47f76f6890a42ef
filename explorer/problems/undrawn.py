"""A network built to be written into: its initial weights are not drawn, since a checkpoint's take their place.

Drawing 124 million random numbers takes seconds. While the network is built, an operator that fills a tensor with random numbers is passed over, and so is
whatever then works on that tensor in place; what is left there is arbitrary. Where something else depends on the numbers (a buffer that no checkpoint
holds, a computation with the drawn weights), the network is built once more with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode


def undrawn(build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` gives, but for the values of tensors in its state dict that would have been drawn. Random generators move on less than they would."""
    passing = _PassingOver()
    state = torch.get_rng_state()
    with passing:
        network = build()
    held = {_storage(t) for t in network.state_dict(keep_vars=True).values()}
    if not passing.used and all(storage in held or let_go.expired() for storage, let_go in passing.left.items()):
        return network
    torch.set_rng_state(state)
    return build()


def placed(network: nn.Module, device: torch.device, dtype: torch.dtype, *, hollow: bool = False) -> nn.Module:
    """The network on a device, for who writes a state dict into it: what that holds is taken there empty, as `dtype` where it is decimals, and nothing of
    it is read or copied. Other buffers are kept, in float32 at least and in float64 with the rest. `hollow`: each tensor is one nought, expanded, and holds
    no memory, for who puts other tensors in their place."""
    written = {id(t) for t in network.state_dict(keep_vars=True).values()}

    def at(tensor: Tensor) -> Tensor:
        if id(tensor) not in written:
            return tensor.to(device, torch.float64 if tensor.is_floating_point() and dtype == torch.float64 else tensor.dtype)
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        if hollow:
            return torch.zeros((), dtype=kind, device=device).expand(tensor.shape)
        same = tensor.device.type == device.type == "cpu" and tensor.dtype == kind
        return tensor if same else torch.empty_like(tensor, device=device, dtype=kind)

    return network._apply(at)  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]  (what `to` is made of)


class _PassingOver(TorchDispatchMode):
    """Leaves out random fills. `left`: the memory that was left as it was, which a weak reference keeps from being taken for another's; `used`: whether something depends on what was to be drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.left: dict[int, StorageWeakRef] = {}
        self.used = False

    def __torch_dispatch__(self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        given = [t for t in (*args, *kwargs.values()) if isinstance(t, Tensor)]
        first = given[0] if given and func._schema.arguments and _written(func._schema.arguments[0]) else None
        if torch.Tag.nondeterministic_seeded in func.tags:
            if first is None:
                self.used = True
            else:
                if not first.is_meta:  # of a network that is built without memory beside this one
                    self.left[_storage(first)] = StorageWeakRef(first.untyped_storage())
                return first
        left = [t for t in given if _storage(t) in self.left] if self.left else []
        if left and not func.is_view:
            if first is not None and len(left) == 1 and left[0] is first and len(func._schema.returns) == 1:
                return first
            self.used = self.used or func.overloadpacket.__name__ not in ("detach", "alias")
        return func(*args, **kwargs)


def _written(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]
