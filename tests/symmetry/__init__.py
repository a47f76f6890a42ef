"""What a symmetry is held to, written without the code that discovers one: it moves no output, and every one of its places matters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from explorer.symmetry import Symmetry, permuted, random, reorder
from explorer.symmetry.groups import Fixed, leaves, length


def uneven(network: nn.Module) -> nn.Module:
    """A float64 copy in which no two units are alike, and which depends on each of them: kernels drawn as by He et al. 2015, all else shifted."""
    generator = torch.Generator().manual_seed(5)
    network = copy.deepcopy(network).double().eval()
    parameters = {id(p) for p in network.parameters() if p.dim() > 1}
    with torch.no_grad():
        for tensor in {id(t): t for t in [*network.parameters(), *network.buffers()]}.values():
            if id(tensor) in parameters:
                tensor.normal_(0, (4 / tensor[0].numel()) ** 0.5, generator=generator)
            elif tensor.is_floating_point() and bool(tensor.isfinite().all()):
                tensor.add_(0.3 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64))  # upwards: a variance stays one
    return network


@torch.no_grad()
def outputs(network: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> list[Tensor]:
    """The floating outputs in float64."""
    args, kwargs = tree_map(lambda v: v.double() if isinstance(v, Tensor) and v.is_floating_point() else v, (args, dict(kwargs or {})))
    return [t for t in tree_leaves(network(*args, **kwargs)) if isinstance(t, Tensor) and t.is_floating_point()]


def change(network: nn.Module, weights: Mapping[str, Tensor], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> float:
    """How far these weights, in place of the network's own, move its outputs, relative to the outputs' scale."""
    before = outputs(network, args, kwargs)
    other = copy.deepcopy(network)
    other.load_state_dict({n: t.clone() for n, t in weights.items()})
    after = outputs(other, args, kwargs)
    assert before
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(after, before, strict=True))


def moves(network: nn.Module, symmetry: Symmetry, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None, times: int = 2) -> float:
    """How far random permutations of all groups at once move the outputs of the network, its weights made uneven."""
    network = uneven(network)
    generator = torch.Generator().manual_seed(17)
    state = network.state_dict()
    return max(change(network, permuted(state, symmetry, random(symmetry, generator)), args, kwargs) for _ in range(times))


def silent(
    network: nn.Module, symmetry: Symmetry, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None, *, below: float, first: bool = False
) -> set[str]:
    """The tensors whose part in some group does not matter: with that group permuted there alone, no output moves by as much as `below`.

    `first`: only the first place of each group is looked at. A tensor that cannot matter would let any permutation pass.
    """
    network = uneven(network)
    state = network.state_dict()
    tied: dict[int, list[str]] = {}
    for name, tensor in state.items():
        tied.setdefault(tensor.data_ptr(), []).append(name)
    found: set[str] = set()
    for name, group in symmetry.groups.items():
        turned = torch.arange(group.size).roll(1).expand(*([symmetry.outer(group)] if group.within else []), group.size)
        places = [(t, i) for t, axes in symmetry.axes.items() for i, a in enumerate(axes) if any(leaf.group == name for leaf in leaves(a))]
        for tensor, i in places[:1] if first else places:
            axes = [a if j == i else Fixed(length(a)) for j, a in enumerate(symmetry.axes[tensor])]
            alone = reorder(state[tensor], axes, {name: turned})
            if change(network, {**state, **dict.fromkeys(tied[state[tensor].data_ptr()], alone)}, args, kwargs) <= below:
                found.add(tensor)
    return found
