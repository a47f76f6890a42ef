"""The symmetry of a large network whose layers repeat: deduced from its graph without weights, and tested on its first few layers.

The graph of the whole network says which axes belong together, as for any network (discover.py). What is tested with weights is the same network with `KEPT`
layers in each of its stacks: what was deduced of the whole must be, on those layers, exactly what passes the test there, and every further layer must stand to
the rest as the last of these does. So the test takes the memory and the time of a few layers.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from explorer.checkpoints.weights import AT_ONCE
from explorer.core.memory import give_back
from explorer.symmetry.discover import discover, untested
from explorer.symmetry.groups import Axis, Concat, Fixed, Free, Product, Symmetry

LARGE = 2**24  # parameters above which a network is tested so
KEPT = 2  # layers of a stack: one that is read by another

_Form: TypeAlias = "tuple[object, ...]"


def discover_repeated(blank: Callable[[], nn.Module], args: tuple[Any, ...]) -> Symmetry | None:
    """The symmetry of a network that `blank` builds, whatever its weights; None where no layers repeat, where the whole is not made of equal ones, or where
    the test of a few says otherwise than the graph: the whole is to be tested then."""
    short = blank()
    stacks = shortened(short)
    parameters = dict(short.named_parameters())
    if not stacks or short.state_dict().keys() - dict(short.named_parameters(remove_duplicate=False)).keys():
        return None  # a buffer that a checkpoint holds has values of its own
    generator = np.random.default_rng(0)
    with torch.no_grad():
        for p in parameters.values():
            for part in p.view(-1).split(AT_ONCE) if p.dim() > 1 else ():
                part.copy_(torch.from_numpy(generator.standard_normal(len(part), np.float32)).mul_(0.02))
            if p.dim() <= 1:
                p.fill_(1)
    tested = discover(short, args)
    del parameters
    names = list(short.state_dict())
    del short
    _settle()
    found = untested(blank(), args)
    alike = forms(found, names) == forms(tested, names) and all(_repeats(found, names, stack, many) for stack, many in stacks.items())
    _settle()
    return found if alike else None


def _settle() -> None:
    """Tracing leaves the network in cycles of objects, and holes where it lay."""
    gc.collect()
    give_back()


def shortened(network: nn.Module) -> dict[str, int]:
    """Leave the first `KEPT` layers in each of a network's lists of equal layers: the lists by name, and how many layers they had."""
    found: dict[str, int] = {}
    for name, module in list(network.named_modules()):
        for child, stack in list(module.named_children()):
            if not isinstance(stack, nn.ModuleList) or len(stack) <= KEPT:
                continue
            first, *others = ((type(m), {n: p.shape for n, p in m.named_parameters()}) for m in stack)
            if first[1] and all(other == first for other in others):
                found[f"{name}.{child}" if name else child] = len(stack)
                setattr(module, child, nn.ModuleList(list(stack)[:KEPT]))
    return found


def forms(found: Symmetry, names: Sequence[str]) -> tuple[_Form | None, ...]:
    """What the tensors' axes are made of, the groups numbered as they come: equal for symmetries that differ in the groups' names alone."""
    numbers: dict[str, int] = {}

    def form(axis: Axis) -> _Form:
        match axis:
            case Fixed(n):
                return ("fixed", n)
            case Free(group, n, within):
                outer = None if within is None else numbers.setdefault(within, len(numbers))
                return ("free", numbers.setdefault(group, len(numbers)), n, outer)
            case Product(parts):
                return ("product", *map(form, parts))
            case Concat(parts):
                return ("concat", *map(form, parts))

    return tuple(tuple(map(form, found.axes[name])) if name in found.axes else None for name in names)


def _repeats(found: Symmetry, names: Sequence[str], stack: str, many: int) -> bool:
    """Whether each further layer of a stack stands to the rest of the kept network as the last kept one does."""
    inside = [n.removeprefix(f"{stack}.{KEPT - 1}.") for n in names if n.startswith(f"{stack}.{KEPT - 1}.")]
    rest = [n for n in names if not n.startswith(f"{stack}.")]

    def with_layer(i: int) -> tuple[_Form | None, ...]:
        return forms(found, [*rest, *(f"{stack}.{i}.{n}" for n in inside)])

    return all(with_layer(i) == with_layer(KEPT - 1) for i in range(KEPT, many))
