"""A network's permutation symmetry: groups of interchangeable units, where each stands, and what a permutation does to the weights.

A permutation of n units is a tensor p of n int64: the unit at place i afterwards is the one that was at p[i]. Where every unit of an outer group has
an order of its own within (every head its own queries and keys), p is (outer, n): row i is for the outer unit at place i *afterwards*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

from explorer.checkpoints.weights import AT_ONCE, Weights
from explorer.core.errors import Refused

Maps: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Fixed:
    """n places that keep their order."""

    size: int


@dataclass(frozen=True)
class Free:
    """The n units of a group; `within`: the group to its left in the same product, each of whose units has an order of these of its own."""

    group: str
    size: int
    within: str | None = None


@dataclass(frozen=True)
class Product:
    """Row-major product: the last factor runs fastest."""

    factors: tuple[Axis, ...]


@dataclass(frozen=True)
class Concat:
    """One part after the other."""

    parts: tuple[Axis, ...]


Axis: TypeAlias = "Fixed | Free | Product | Concat"


@dataclass(frozen=True)
class Group:
    """`size` interchangeable units; `within`: the group each of whose units has an order of these of its own, or None."""

    name: str
    size: int
    within: str | None = None


@dataclass(frozen=True)
class Site:
    """Where a group stands: `rows` are the places on one axis of a tensor that belong to each unit.

    (size, m) int64, or (outer, size, m) for a group within another.
    """

    tensor: str
    axis: int
    rows: Tensor

    def unfold(self, tensor: Tensor) -> Tensor:
        """The tensor with one row per unit: (size, k), or (outer, size, k) for a group within another."""
        *units, m = self.rows.shape
        moved = tensor.movedim(self.axis, 0)
        if len(units) == 1 and m == 1 and self.rows.shape[0] == tensor.shape[self.axis] and bool((self.rows[:, 0].diff() == 1).all()):
            return moved.reshape(len(moved), -1)
        return moved[self.rows.flatten().to(tensor.device)].reshape(*units, -1)


@dataclass(frozen=True)
class Held:
    """An axis that keeps its order, which lowers the share that can move where it has units: layers write to it and read from it.

    `why`: what holds it first. `tensors`: those in which it stands.
    """

    why: str
    size: int
    units: bool
    tensors: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.tensors) - 3} more tensors" if len(self.tensors) > 3 else ""
        return f"{self.size} {'units' if self.units else 'places'} of {', '.join(self.tensors[:3])}{more} keep their order, because of {self.why}."


@dataclass(frozen=True)
class Symmetry:
    """All that may be permuted in a network without changing what it computes.

    `axes`: for each tensor of the state dict that can move, what its axes are made of. `numel`: of all parameters and of those that can move; one
    that stands on an axis of units that can move and on one that cannot counts half. `unknown`: operators without a rule, whose tensors were pinned.
    `warnings`: what was given up because it failed the test. `held`: what keeps its order though layers make it, and tensors that stand still.
    """

    groups: dict[str, Group]
    axes: dict[str, tuple[Axis, ...]]
    numel: tuple[int, int] = (0, 0)
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    held: tuple[Held, ...] = ()

    @property
    def movable(self) -> float:
        """Share of the parameters that some permutation moves, axis by axis of those that have units."""
        return self.numel[1] / self.numel[0] if self.numel[0] else 0.0

    def outer(self, group: Group) -> int:
        """How many orders of its own a group has: 1, or the size of the group it lies within."""
        return self.groups[group.within].size if group.within else 1

    def inner(self, name: str) -> list[Group]:
        """The groups within a group."""
        return [g for g in self.groups.values() if g.within == name]

    def sites(self, name: str) -> list[Site]:
        """Where a group stands, tensor by tensor."""
        group = self.groups[name]
        return [
            Site(tensor, i, rows)
            for tensor, axes in self.axes.items()
            for i, axis in enumerate(axes)
            if (rows := _rows(axis, group, self.outer(group))) is not None
        ]

    def shared(self) -> Symmetry:
        """The same symmetry with one order for all units of an outer group: smaller, and every group stands alone."""
        groups = {n: replace(g, within=None) for n, g in self.groups.items()}
        return replace(self, groups=groups, axes={n: tuple(map(_loose, axes)) for n, axes in self.axes.items()})


def identity(symmetry: Symmetry) -> Maps:
    """Every unit stays."""
    return {name: torch.arange(g.size).expand(*_outer(symmetry, g), g.size).clone() for name, g in symmetry.groups.items()}


def random(symmetry: Symmetry, generator: torch.Generator) -> Maps:
    """Every group in a random order."""
    found: Maps = {}
    for name, group in symmetry.groups.items():
        orders = [torch.randperm(group.size, generator=generator) for _ in range(symmetry.outer(group))]
        found[name] = torch.stack(orders) if group.within else orders[0]
    return found


def inverse(symmetry: Symmetry, maps: Maps) -> Maps:
    """The permutation that undoes this one."""
    return {
        name: maps[name].argsort() if not group.within else maps[name].argsort(dim=1)[maps[group.within].argsort()]
        for name, group in symmetry.groups.items()
    }


def compose(symmetry: Symmetry, first: Maps, second: Maps) -> Maps:
    """First the one, then the other: permuted(permuted(w, first), second) == permuted(w, compose(first, second))."""
    return {
        name: first[name][second[name]] if not group.within else first[name][second[group.within]].gather(1, second[name])
        for name, group in symmetry.groups.items()
    }


def permuted(weights: Mapping[str, Tensor], symmetry: Symmetry, maps: Maps) -> Weights:
    """The weights with every group in its new order; tensors that stay are the caller's own. The network computes the same function."""
    return {name: reorder(tensor, symmetry.axes[name], maps) if name in symmetry.axes else tensor for name, tensor in weights.items()}


def reorder(tensor: Tensor, axes: Sequence[Axis], maps: Mapping[str, Tensor]) -> Tensor:
    """One tensor with its axes reordered; groups without an entry in `maps` stay."""
    for i, axis in enumerate(axes):
        if any(leaf.group in maps for leaf in leaves(axis)):
            tensor = tensor.index_select(i, order(axis, maps).to(tensor.device))
    return tensor


def reorder_within(tensor: Tensor, axes: Sequence[Axis], maps: Mapping[str, Tensor]) -> None:
    """As `reorder`, into the tensor itself, a part at a time: without a second tensor of its size."""
    for i, axis in enumerate(axes):
        if any(leaf.group in maps for leaf in leaves(axis)):
            places = order(axis, maps).to(tensor.device)
            across = max((d for d in range(tensor.dim()) if d != i), key=lambda d: tensor.shape[d], default=None)
            many = 1 if across is None else max(1, AT_ONCE * tensor.shape[across] // max(1, tensor.numel()))
            for part in (tensor,) if across is None else tensor.split(many, across):
                part.copy_(part.index_select(i, places))


class Permuted(Mapping[str, Tensor]):
    """As `permuted`, each tensor when it is asked for: another each time."""

    def __init__(self, weights: Mapping[str, Tensor], symmetry: Symmetry, maps: Maps) -> None:
        self._weights, self._symmetry, self._maps = weights, symmetry, maps

    def __getitem__(self, name: str) -> Tensor:
        tensor, axes = self._weights[name], self._symmetry.axes
        return reorder(tensor, axes[name], self._maps) if name in axes else tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


def order(axis: Axis, maps: Mapping[str, Tensor], outer: Mapping[str, int] | None = None) -> Tensor:
    """(n,) int64: which old place comes to each place of an axis. `outer`: the places, afterwards, of the units this lies within."""
    match axis:
        case Fixed(n):
            return torch.arange(n)
        case Free(group, n, within):
            p = maps.get(group)
            if p is None:
                return torch.arange(n)
            return (p if within is None else p[(outer or {})[within]]).to("cpu")
        case Concat(parts):
            starts = [sum(length(q) for q in parts[:i]) for i in range(len(parts))]
            return torch.cat([order(p, maps, outer) + s for p, s in zip(parts, starts, strict=True)])
        case Product((first, *rest)):
            if not rest:
                return order(first, maps, outer)
            tail = Product(tuple(rest))
            head, n = order(first, maps, outer), length(tail)
            if isinstance(first, Free) and any(leaf.within == first.group and leaf.group in maps for leaf in leaves(tail)):
                return torch.cat([h * n + order(tail, maps, {**(outer or {}), first.group: place}) for place, h in enumerate(head)])
            return (head[:, None] * n + order(tail, maps, outer)).flatten()
        case Product():
            return torch.arange(1)


def length(axis: Axis) -> int:
    """How many places an axis has."""
    match axis:
        case Fixed(n) | Free(_, n):
            return n
        case Product(factors):
            return prod(map(length, factors))
        case Concat(parts):
            return sum(map(length, parts))


def resized(axis: Axis, sizes: Mapping[str, int]) -> Axis:
    """The same expression with other numbers of units; groups without an entry keep theirs."""
    match axis:
        case Fixed():
            return axis
        case Free():
            return replace(axis, size=sizes.get(axis.group, axis.size))
        case Product(factors):
            return Product(tuple(resized(f, sizes) for f in factors))
        case Concat(parts):
            return Concat(tuple(resized(p, sizes) for p in parts))


def leaves(axis: Axis) -> Iterator[Free]:
    """The free groups in an axis, from left to right."""
    match axis:
        case Fixed():
            return
        case Free():
            yield axis
        case Product(inner) | Concat(inner):
            for a in inner:
                yield from leaves(a)


def _loose(axis: Axis) -> Axis:
    match axis:
        case Fixed():
            return axis
        case Free():
            return replace(axis, within=None)
        case Product(inner):
            return Product(tuple(map(_loose, inner)))
        case Concat(inner):
            return Concat(tuple(map(_loose, inner)))


def _outer(symmetry: Symmetry, group: Group) -> tuple[int, ...]:
    return (symmetry.outer(group),) if group.within else ()


def _rows(axis: Axis, group: Group, outer: int) -> Tensor | None:
    """The places on an axis that belong to each unit of a group: (size, m), or (outer, size, m); None where the group does not occur."""
    match axis:
        case Fixed():
            return None
        case Free(name, n):
            return torch.arange(n)[:, None] if name == group.name else None
        case Concat(parts):
            found: list[Tensor] = []
            start = 0
            for part in parts:
                if (rows := _rows(part, group, outer)) is not None:
                    found.append(rows + start)
                start += length(part)
            return torch.cat(found, dim=-1) if found else None
        case Product((first, *rest)):
            if not rest:
                return _rows(first, group, outer)
            tail = Product(tuple(rest))
            n = length(tail)
            if (rows := _rows(first, group, outer)) is not None:  # of one factor all of the other's places belong to a unit
                return (rows[..., None] * n + torch.arange(n)).flatten(-2)
            if (rows := _rows(tail, group, outer)) is None:
                return None
            heads = torch.arange(length(first))
            if group.within and isinstance(first, Free) and first.group == group.within:
                return heads[:, None, None] * n + rows
            if rows.dim() == 3:
                return (heads[:, None, None, None] * n + rows).movedim(0, -2).flatten(-2)
            return (heads[:, None, None] * n + rows).movedim(0, -2).flatten(-2)
        case Product():
            return None


# --- as text: "-" or "12" fixed · "name" or "name:12" free · "heads:4*dim:16@heads" product, an order per head · "a:8+b:8" concatenation ----------------


def text(axis: Axis) -> str:
    """An axis as people write it."""
    match axis:
        case Fixed(n):
            return str(n)
        case Free(group, n, within):
            return f"{group}:{n}" + (f"@{within}" if within else "")
        case Product(factors):
            return "*".join(f"({text(f)})" if isinstance(f, Concat) else text(f) for f in factors)
        case Concat(parts):
            return "+".join(map(text, parts))


def parse(written: str, size: int) -> Axis:
    """The axis that a text means, of `size` places. Refused when it is no axis of that size."""
    tokens = re.findall(r"[()*+]|[^()*+\s]+", written)
    position = 0

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1] if position <= len(tokens) else ""

    def peek() -> str:
        return tokens[position] if position < len(tokens) else ""

    def many(sign: str, one: Iterator[Axis]) -> list[Axis]:
        found = [next(one)]
        while peek() == sign:
            take()
            found.append(next(one))
        return found

    def total() -> Iterator[Axis]:
        while True:
            found = many("+", product())
            yield found[0] if len(found) == 1 else Concat(tuple(found))

    def product() -> Iterator[Axis]:
        while True:
            found = many("*", leaf())
            yield found[0] if len(found) == 1 else Product(tuple(found))

    def leaf() -> Iterator[Axis]:
        while True:
            token = take()
            if token == "(":
                inner = next(total())
                if take() != ")":
                    raise Refused(f"The axis {written!r} has an open bracket.")
                yield inner
            elif token == "-":
                yield Fixed(size)
            elif token.isdigit():
                yield Fixed(int(token))
            elif found := re.fullmatch(r"([^:@]+):(\d+)(?:@([^:@]+))?", token):
                yield Free(found[1], int(found[2]), found[3])
            elif token and token not in "*+)" and ":" not in token and len(tokens) == 1:
                yield Free(token, size)
            else:
                raise Refused(f"The axis {written!r} is not understood at {token or 'its end'!r}. Write '-', 'name', 'heads:4*dim:16' or 'a:8+b:8'.")

    axis = next(total())
    if peek() or length(axis) != size:
        raise Refused(f"The axis {written!r} has {length(axis)} places; the tensor has {size} there.")
    return axis


def _strays(axis: Axis, left: tuple[str, ...]) -> Iterator[Free]:
    """The groups in an axis that should lie within another and do not."""
    match axis:
        case Fixed():
            return
        case Free(_, _, within):
            if within is not None and within not in left:
                yield axis
        case Concat(parts):
            for part in parts:
                yield from _strays(part, left)
        case Product(factors):
            for factor in factors:
                yield from _strays(factor, left)
                if isinstance(factor, Free):
                    left = (*left, factor.group)


def written_by_hand(table: Mapping[str, Sequence[str]], shapes: Mapping[str, tuple[int, ...]]) -> Symmetry:
    """A symmetry from a table `tensor = ["group", "-", …]`, one text per axis. Refused when a tensor, an axis or a size does not fit."""
    axes: dict[str, tuple[Axis, ...]] = {}
    groups: dict[str, Group] = {}
    for name, texts in table.items():
        if name not in shapes:
            raise Refused(f"The symmetry names a tensor {name!r} that the network does not have. It has: {', '.join(list(shapes)[:8])}, …")
        if len(texts) != len(shapes[name]):
            raise Refused(f"The symmetry gives {len(texts)} axes for {name}, which has {len(shapes[name])}.")
        axes[name] = tuple(parse(t, n) for t, n in zip(texts, shapes[name], strict=True))
        for leaf in (leaf for axis in axes[name] for leaf in leaves(axis)):
            known = groups.setdefault(leaf.group, Group(leaf.group, leaf.size, leaf.within))
            if (known.size, known.within) != (leaf.size, leaf.within):
                raise Refused(
                    f"The symmetry gives group {leaf.group!r} {known.size} units at one place and {leaf.size} at another ({name}), or differs in '@'."
                )
    for group in groups.values():
        if group.within is None:
            continue
        if group.within not in groups:
            raise Refused(f"The symmetry puts {group.name!r} within {group.within!r}, which is not a group. Groups: {', '.join(groups)}.")
        if groups[group.within].within is not None:
            raise Refused(
                f"The symmetry puts {group.name!r} within {group.within!r}, which itself lies within another group. Only one level is possible."
            )
    for name, several in axes.items():
        if stray := [leaf for axis in several for leaf in _strays(axis, ())]:
            raise Refused(
                f"The symmetry has {stray[0].group!r} in {name} without {stray[0].within!r} to its left in the same product, as in"
                f" '{stray[0].within}:{groups[stray[0].within or ''].size}*{stray[0].group}:{stray[0].size}@{stray[0].within}'."
            )
    axes = {n: several for n, several in axes.items() if any(True for axis in several for _ in leaves(axis))}
    return Symmetry(groups, axes, (sum(map(prod, shapes.values())), sum(prod(shapes[n]) for n in axes)))
