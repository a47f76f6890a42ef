"""A network as somebody holds it → copies of it that may be loaded with other weights, and its weights. The network itself is only read.

Wrappers around it are taken off (DataParallel, torch.compile). A copy is in eval mode and on the CPU; hooks that are not torch's own are left out of it:
they may write to what is not ours. Tied parameters are one, under their first name (explorer.problems.nets.hugging_face unties its own in the same way).
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from explorer.core.errors import Refused
from explorer.problems.tied import tied, untie

log = logging.getLogger(__name__)

_WRAPPERS = ("module", "_orig_mod")  # DataParallel and its kin; torch.compile
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_LEFT = ("_trainer", "_fabric")  # what Lightning hangs on a module


def bare(network: nn.Module) -> nn.Module:
    """The network inside of its wrappers."""
    while type(network).__module__.startswith(("torch.nn.parallel", "torch.distributed", "torch._dynamo")):
        inner = next((part for name in _WRAPPERS if isinstance(part := getattr(network, name, None), nn.Module)), None)
        if inner is None:
            break
        network = inner
    return network


class Prototype:
    """A copy of a network that further copies are made of."""

    def __init__(self, network: nn.Module) -> None:
        _usable(bare(network))
        found = _copied(bare(network)).eval().cpu().requires_grad_(False)
        _drop_hooks(found)
        untie(found)
        self.aliases = tied(found)
        self.network = found
        self.redrawn = all(type(m).__module__.startswith("torch.nn.") for m in found.modules() if next(m.parameters(recurse=False), None) is not None)

    def __call__(self) -> nn.Module:
        """A fresh copy, its weights drawn anew where torch's own layers hold all of them."""
        network = copy.deepcopy(self.network)
        if self.redrawn and torch.empty(0).device.type != "meta":
            for module in network.modules():
                if next(module.parameters(recurse=False), None) is not None and callable(reset := getattr(module, "reset_parameters", None)):
                    reset()
        return network

    @property
    def names(self) -> tuple[str, ...]:
        """Of its state dict."""
        return tuple(self.network.state_dict())


def weights_of(model: nn.Module | Mapping[str, object], what: str, known: Prototype | None = None) -> dict[str, Tensor]:
    """A network's state dict, or the one that is given, on the CPU and by the names of the prototype. Refused for what is none."""
    state = bare(model).state_dict() if isinstance(model, nn.Module) else model
    if not state:
        raise Refused(f"{what} holds no weights. Give a network with parameters, or its state_dict().")
    if odd := next((name for name, t in state.items() if not isinstance(t, Tensor)), None):
        inside = " Give what is under 'state_dict'." if "state_dict" in state else ""
        raise Refused(f"{what} is not a state dict: {odd!r} in it is a {type(state[odd]).__name__}, not a tensor.{inside}")
    found = {name: cast("Tensor", t).detach() for name, t in state.items()}
    if known is not None and set(found) != set(known.names):
        for wrapper in _WRAPPERS:
            if all(name.startswith(f"{wrapper}.") for name in found):
                found = {name.removeprefix(f"{wrapper}."): t for name, t in found.items()}
        found = {name: t for name, t in found.items() if name not in known.aliases}
    return found


def _usable(network: nn.Module) -> None:
    """Refused for what looks like a network and has no weights that could be mixed."""
    name = type(network).__name__
    tensors = (*network.parameters(), *network.buffers())
    if isinstance(network, torch.jit.ScriptModule):
        raise Refused(f"{name} is a TorchScript program, whose parts cannot be reached. Give the network that it was made from.")
    if not any(True for _ in network.parameters()):
        raise Refused(f"The network {name} has no parameters. Give one with weights.")
    if any(isinstance(t, UninitializedParameter | UninitializedBuffer) for t in tensors):
        raise Refused(f"The network {name} has layers that do not know their sizes yet (Lazy…). Call it once with a batch first.")
    if any(t.is_meta for t in tensors):
        raise Refused(f"The network {name} is on the device meta and has no weights. Load them into it first.")
    if odd := next((type(m).__name__ for m in network.modules() if type(m).__module__.startswith("torch.ao.nn")), None):
        raise Refused(f"The network {name} is quantised ({odd}), and whole numbers cannot be mixed. Give the network that it was made from.")


def _copied(network: nn.Module) -> nn.Module:
    memo: dict[int, object] = {}
    for module in network.modules():
        for name, value in vars(module).items():
            if name in _LEFT and value is not None:
                memo[id(value)] = None
            elif isinstance(value, Tensor) and value.grad_fn is not None:  # as the old weight_norm leaves behind
                memo[id(value)] = value.detach().clone()
    try:
        return copy.deepcopy(network, cast("Any", memo))
    except Exception as error:  # whatever a part of the network raises that cannot be copied
        said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
        raise Refused(
            f"The network {type(network).__name__} cannot be copied ({said}), and nothing is measured on your own. Remove what is not a part of it, such as"
            " open files, or results of a forward pass that it keeps."
        ) from error


def _drop_hooks(network: nn.Module) -> None:
    left: list[str] = []
    for module in network.modules():
        for kind in _HOOKS:
            hooks = cast("dict[int, object]", module.__dict__[kind])
            for key, hook in list(hooks.items()):
                if not (getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch."):
                    left.append(getattr(hook, "__qualname__", type(hook).__qualname__))
                    del hooks[key]
    if left:
        log.warning("Hooks of the network are left out of what is measured: %s.", ", ".join(dict.fromkeys(left)))
