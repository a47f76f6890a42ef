"""The tensors of a file under the names of a network that has the same shapes in the same order: an nn.Sequential's `0.weight` as `layers.0.weight`.

A guess, and never made unasked: it is shown where a checkpoint is looked at, and used where `#renamed` stands behind the path (explorer.core.model_path).

Modules are matched with modules, so `weight` stays `weight`; where that does not fit, tensors with tensors. Their order is that of the file, and that of the
numbers in their names: the first unless the file is sorted by name, which says nothing, the second where there are numbers. Where neither fits, shapes tell
that are all different. Two orders that fit and do not agree are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from explorer.core import files
from explorer.core.errors import Refused
from explorer.core.files import short

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
Modules: TypeAlias = "dict[str, dict[str, tuple[int, ...]]]"


def renaming(stored: Shapes, wanted: Shapes) -> dict[str, str] | None:
    """Stored name → wanted name, for all of both; None where the shapes do not fit. Refused when they fit in two ways, and nothing tells which."""
    if len(stored) != len(wanted) or Counter(stored.values()) != Counter(wanted.values()) or stored.keys() == wanted.keys():
        return None
    for split in (_by_module, _by_tensor):
        old, new = split(stored), split(wanted)
        fits = [f for order in _orders(old, stored) if (f := _matched(old, order, new)) is not None]
        if not fits and (distinct := _by_shape(old, new)) is not None:
            fits = [distinct]
        if not fits:
            continue
        for other in fits[1:]:
            if differs := next((name for name in stored if other[name] != fits[0][name]), None):
                raise _two_ways(differs, fits[0][differs], other[differs])
        return fits[0]
    return None


def _by_module(shapes: Shapes) -> Modules:
    modules: Modules = {}
    for name, shape in shapes.items():
        module, _, leaf = name.rpartition(".")
        modules.setdefault(module, {})[leaf] = tuple(shape)
    return modules


def _by_tensor(shapes: Shapes) -> Modules:
    return {name: {"": tuple(shape)} for name, shape in shapes.items()}


def _orders(modules: Modules, stored: Shapes) -> list[list[str]]:
    names = list(modules)
    in_file = [] if list(stored) == sorted(stored) else [names]
    return [*in_file, sorted(names, key=files.natural)] if any(c.isdecimal() for name in names for c in name) else in_file


def _matched(old: Modules, order: Sequence[str], new: Modules) -> dict[str, str] | None:
    """The modules one after another with those of the network, in its own order."""
    if len(old) != len(new) or any(old[a] != new[b] for a, b in zip(order, new, strict=True)):
        return None
    return {_name(a, leaf): _name(b, leaf) for a, b in zip(order, new, strict=True) for leaf in old[a]}


def _by_shape(old: Modules, new: Modules) -> dict[str, str] | None:
    """The modules by their shapes; None where these are not the network's. Refused where two modules have the same ones."""
    places = {_signature(module): name for name, module in new.items()}
    if Counter(map(_signature, old.values())) != Counter(map(_signature, new.values())):
        return None
    if len(places) < len(new):
        twice = Counter(map(_signature, new.values())).most_common(1)[0][0]
        first, second = [name for name, module in new.items() if _signature(module) == twice][:2]
        raise _two_ways(next(name for name, module in old.items() if _signature(module) == twice), first, second)
    own = {_signature(module): name for name, module in old.items()}
    return _matched(old, [own[_signature(module)] for module in new.values()], new)


def _signature(module: Mapping[str, tuple[int, ...]]) -> frozenset[tuple[str, tuple[int, ...]]]:
    return frozenset(module.items())


def _name(module: str, leaf: str) -> str:
    return ".".join(filter(None, (module, leaf)))


def _two_ways(name: str, first: str, second: str) -> Refused:
    return Refused(
        f"Its tensors have the network's shapes under other names, in more than one order: {short(name)} could be {short(first)} or {short(second)}."
        " Save it under the network's names."
    )


def shown(names: Mapping[str, str]) -> str:
    """The first of the pairs, and how many more there are."""
    pairs = [f"{short(old)} → {short(new)}" for old, new in names.items()]
    return ", ".join(pairs[:4]) + (f" and {len(pairs) - 4} more" if len(pairs) > 4 else "")
