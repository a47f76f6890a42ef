"""Tied parameters: registered once, under their first name, and read there by the other modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from torch import Tensor, nn

_Elsewhere: TypeAlias = "dict[str, tuple[nn.Module, str]]"  # for each name of a module's: the module that holds the parameter, and its name there


def untie(network: nn.Module) -> None:
    """Let every parameter that is registered twice be registered once, under its first name, and read there by the other modules.

    So it is in the state dict once, and whoever replaces it there replaces it everywhere.
    """
    first: dict[int, tuple[nn.Module, str]] = {}
    for module in network.modules():
        elsewhere: dict[str, tuple[nn.Module, str]] = {}
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if (owner := first.setdefault(id(parameter), (module, name))) != (module, name):
                elsewhere[name] = owner
        if not elsewhere:
            continue
        for name in elsewhere:
            delattr(module, name)
        module.__dict__["_elsewhere"] = elsewhere  # a plain entry: no module of this one, and copied with the network
        kind = type(module)
        module.__class__ = type(kind.__name__, (kind,), {name: property(_from(name)) for name in elsewhere} | {"__module__": kind.__module__})


def tied(network: nn.Module) -> dict[str, str]:
    """The names that tied parameters had, and where each is read now."""
    names = {id(module): f"{name}." if name else "" for name, module in network.named_modules()}
    return {
        f"{names[id(module)]}{name}": f"{names[id(owner)]}{known_as}"
        for module in network.modules()
        for name, (owner, known_as) in cast("_Elsewhere", module.__dict__.get("_elsewhere", {})).items()
    }


def _from(name: str) -> Callable[[nn.Module], Tensor]:
    def read(module: nn.Module) -> Tensor:
        owner, known_as = cast("_Elsewhere", module.__dict__["_elsewhere"])[name]
        return cast("Tensor", getattr(owner, known_as))

    return read
