"""A narrow network in a wide one's shapes, computing what it computed: units that nothing writes and nothing reads, and streams turned into the wider space.

A hidden unit more changes nothing where its weights are zero. A normalised stream has more to it: RMSNorm divides by the root of the mean of n squares, which with zeros
beside them is smaller by √(n / N), so that the gain has to be; LayerNorm takes the mean off as well, so the vector of ones must stay the vector of ones:
an orthogonal map takes the one to the other. Attention divides by the root of a head's places, so wider heads have queries longer by its growth.
Gains are 1 everywhere for that (explorer.symmetry.gauges), but for this factor. What the ε of a norm adds is all that changes. Scales and invertible maps are
balanced before (explorer.symmetry.balance), while there is no place that is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.symmetry.balance import balanced
from explorer.symmetry.classes import SymmetryClass
from explorer.symmetry.gauges import Lattice, changed, folding
from explorer.symmetry.groups import Axis, Concat, Fixed, Free, Product, length, resized

STREAMS = (SymmetryClass.CENTRED, SymmetryClass.ORTHOGONAL)


def padded(
    weights: Mapping[str, Tensor],
    lattice: Lattice,
    shapes: Mapping[str, tuple[int, ...]],
    sizes: Mapping[str, int],
    names: Sequence[str],
    paired: Collection[str],
) -> Weights:
    """A model with as many units in each group as `sizes` says, in a wide network's shapes and its own dtypes.

    lattice: the wide network's. shapes: of its tensors. names: its parameters, a tied one once. paired: gauges between queries and keys. No group of the model may be larger
    than the network's.
    """
    wide = {n: w.detach().double() if w.is_floating_point() else w for n, w in weights.items()}
    small = narrowed(lattice, sizes)
    folded, _ = balanced(changed(wide, small, folding(wide, small), folds=True), small, names)
    done = {n: _with_zeros(t, lattice.axes.get(n) or lattice.symmetry.axes.get(n, ()), sizes, shapes[n]) for n, t in folded.items()}
    growth = {n: g.size / small.gauges[n].size for n, g in lattice.gauges.items()}
    streams = {g.group: n for n, g in lattice.gauges.items() if g.cls in STREAMS and not g.within}
    for name, fold in lattice.folds.items():
        done[name] = torch.full_like(done[name], growth[streams[fold.group]] ** -0.5 if fold.group in streams else 1.0)
    turns = {n: upright(small.gauges[n].size, g.size)[None] for n, g in lattice.gauges.items() if g.cls == SymmetryClass.CENTRED and growth[n] > 1}
    done = changed(done, lattice, turns)
    for name in paired:
        gauge = lattice.gauges[name]
        queries = replace(gauge, places=tuple(p for p in gauge.places if not p.inverted))
        longer = growth[name] ** 0.5 * torch.eye(gauge.size, dtype=torch.float64).repeat(lattice.outer(gauge), 1, 1)
        done = changed(done, replace(lattice, gauges={name: queries}), {name: longer})
    return {n: t.to(weights[n].dtype) for n, t in done.items()}


def narrowed(lattice: Lattice, sizes: Mapping[str, int]) -> Lattice:
    """The lattice of the same network with other numbers of units."""
    symmetry = replace(
        lattice.symmetry,
        groups={n: replace(g, size=sizes[n]) for n, g in lattice.symmetry.groups.items()},
        axes={n: tuple(resized(a, sizes) for a in axes) for n, axes in lattice.symmetry.axes.items()},
    )
    gauges, folds = ({n: replace(g, size=sizes.get(g.group, g.size)) for n, g in some.items()} for some in (lattice.gauges, lattice.folds))
    return replace(
        lattice, symmetry=symmetry, axes={n: tuple(resized(a, sizes) for a in axes) for n, axes in lattice.axes.items()}, gauges=gauges, folds=folds
    )


def upright(n: int, wide: int) -> Tensor:
    """(wide, wide) the reflection that takes the ones of the first n places, at length 1, to the ones of all."""
    one, all_ones = torch.zeros(wide, dtype=torch.float64), torch.full((wide,), wide**-0.5, dtype=torch.float64)
    one[:n] = n**-0.5
    away = one - all_ones
    return torch.eye(wide, dtype=torch.float64) - 2 * torch.outer(away, away) / away.square().sum()


def _with_zeros(tensor: Tensor, axes: tuple[Axis, ...], sizes: Mapping[str, int], shape: tuple[int, ...]) -> Tensor:
    for i, axis in enumerate(axes):
        if shape[i] != tensor.shape[i]:
            moved = tensor.movedim(i, 0)
            tensor = moved.new_zeros(shape[i], *moved.shape[1:]).index_copy(0, at(axis, sizes), moved).movedim(0, i)
    return tensor


def at(axis: Axis, sizes: Mapping[str, int]) -> Tensor:
    """(n,) where on a wide axis the places of a narrow one stand: units first, those that are new after them."""
    match axis:
        case Fixed(n):
            return torch.arange(n)
        case Free(group):
            return torch.arange(sizes[group])
        case Concat(parts):
            starts = [sum(map(length, parts[:i])) for i in range(len(parts))]
            return torch.cat([at(p, sizes) + s for p, s in zip(parts, starts, strict=True)])
        case Product((first, *rest)):
            tail = Product(tuple(rest))
            return (at(first, sizes)[:, None] * length(tail) + at(tail, sizes)).flatten() if rest else at(first, sizes)
        case Product():
            return torch.arange(1)
