"""Gauges: the changes of basis that a network allows beyond permutations, where each stands, and what it does to the weights.

A *gauge* is one free linear map M, of a class (classes.py), in whose basis one set of axes is written and read. At a site it multiplies the axis by M, or by the
inverse transpose where what was written is read; where the units lie within heads, every head has a map of its own. Its value is a tensor: (outer, n) numbers for
a diagonal class, (outer, n, n) matrices for another, outer being 1 where there are no heads. Permutations come first, gauges act on the places afterwards, and
gauges act on different leaves of axes, so their order does not matter.

A *fold* is a gauge whose value is known: one over the gain of a normalisation, which makes the gain 1 and multiplies what reads it. All gauges are
those of a network whose folds are made; as every step is linear in the weights, and leaves the function, what is found there is taken back to where gains are
what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.symmetry.classes import SymmetryClass
from explorer.symmetry.groups import Axis, Concat, Fixed, Free, Maps, Product, Symmetry, length, permuted, random

SPREAD = 0.5  # of the logarithms of random scales
VANISHING = 1e-4  # of the largest gain

Elements: TypeAlias = dict[str, Tensor]
"""A value for each gauge, by its name."""


@dataclass(frozen=True)
class Place:
    """A leaf of an axis of a tensor, counted from the left. `inverted`: it takes the inverse transpose."""

    tensor: str
    axis: int
    leaf: int
    inverted: bool


@dataclass(frozen=True)
class Gauge:
    """A free map of n places. `group`: their permutation group, if they have one. `within`: the group each of whose units has a map of its own.

    `covers`: it contains all that permutations of the group do. `why`: what restricts it to its class.
    """

    name: str
    cls: SymmetryClass
    size: int
    places: tuple[Place, ...]
    group: str = ""
    within: str = ""
    covers: bool = False
    why: str = ""


@dataclass(frozen=True)
class Lattice:
    """All that is free in a network: permutations, gauges, and folds by the gain that each makes 1.

    `axes`: of every parameter. `held`: a sentence for each group that permutations are all of. `warnings`: what failed the test.
    """

    symmetry: Symmetry
    axes: dict[str, tuple[Axis, ...]]
    gauges: dict[str, Gauge]
    folds: dict[str, Gauge] = field(default_factory=dict[str, Gauge])
    held: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def outer(self, gauge: Gauge) -> int:
        """How many maps a gauge has."""
        return self.symmetry.groups[gauge.within].size if gauge.within else 1

    @property
    def dimension(self) -> int:
        """Of the group, as a manifold: how many numbers of the weights say nothing about the function."""
        own = sum(self.outer(g) * g.cls.dimension(g.size) for g in self.gauges.values())
        return own + sum(f.size for f in self.folds.values())

    def sentences(self) -> tuple[str, ...]:
        """What was found, gauge by gauge, and why it is not more."""

        def one(g: Gauge) -> str:
            own = f", one for each of the {self.outer(g)} units of {g.within}" if g.within else ""
            return f"{g.name}: {g.size} places, {g.cls}{own}" + (f"; not more, because of {g.why}." if g.why else ".")

        folds = (f"{gain}: the gain can be moved into what reads it." for gain in self.folds)
        return (*map(one, self.gauges.values()), *folds, *self.held)


def changed(weights: Mapping[str, Tensor], lattice: Lattice, elements: Mapping[str, Tensor], *, folds: bool = False) -> Weights:
    """The weights after these maps, computed in their own dtype; tensors that stay are the caller's own. `folds`: the names are those of gains."""
    gauges = lattice.folds if folds else lattice.gauges
    done = dict(weights)
    for name, value in elements.items():
        gauge = gauges[name]
        for place in gauge.places:
            if place.tensor not in done:
                continue
            tensor = done[place.tensor]
            rows = rows_of(lattice.axes[place.tensor][place.axis], place.leaf, gauge.within)
            done[place.tensor] = along(tensor, place.axis, rows, contragredient(value) if place.inverted else value)
    return done


def contragredient(value: Tensor) -> Tensor:
    """The inverse transpose of maps."""
    return 1 / value if value.dim() == 2 else torch.linalg.inv(value).mT


def inverted(elements: Mapping[str, Tensor]) -> Elements:
    """The maps that undo these."""
    return {n: 1 / v if v.dim() == 2 else torch.linalg.inv(v) for n, v in elements.items()}


def after(second: Tensor, first: Tensor) -> Tensor:
    """One map, then another."""
    return second * first if first.dim() == 2 else second @ first


def folding(weights: Mapping[str, Tensor], lattice: Lattice) -> Elements:
    """What makes every gain 1, by the gain's name."""
    return {n: 1 / weights[n].double()[None] for n in lattice.folds}


def vanishing(weights: Mapping[str, Tensor], lattice: Lattice) -> frozenset[str]:
    """The gains with a number that is nothing beside the others: they cannot be divided by, and have to stay."""
    return frozenset(n for n in lattice.folds if float(weights[n].abs().min()) < VANISHING * float(weights[n].abs().max()))


def still(lattice: Lattice) -> Elements:
    """Every map the identity, float64."""
    done: Elements = {}
    for name, g in lattice.gauges.items():
        outer = lattice.outer(g)
        one = torch.ones(outer, g.size, dtype=torch.float64)
        done[name] = one if g.cls.diagonal else torch.eye(g.size, dtype=torch.float64).repeat(outer, 1, 1)
    return done


def displaced(weights: Mapping[str, Tensor], lattice: Lattice, generator: torch.Generator) -> tuple[Weights, Maps]:
    """The same function elsewhere: random permutations, a random element of every gauge, and every gain times random factors. Also the permutations."""
    wide = {n: t.detach().double() if t.is_floating_point() else t for n, t in weights.items()}
    factors = {n: _drawn(SymmetryClass.SCALED, 1, f.size, generator, SPREAD) for n, f in lattice.folds.items()}
    gains = folding(wide, lattice)
    maps = random(lattice.symmetry, generator)
    done = changed(permuted(changed(wide, lattice, gains, folds=True), lattice.symmetry, maps), lattice, drawn(lattice, generator))
    done = changed(done, lattice, {n: factors[n] / v for n, v in gains.items()}, folds=True)
    return {n: t.to(weights[n].dtype) for n, t in done.items()}, maps


def drawn(lattice: Lattice, generator: torch.Generator, *, spread: float = SPREAD) -> Elements:
    """A random element of every gauge, float64. `spread`: the standard deviation of the logarithms of scales."""
    return {name: _drawn(g.cls, lattice.outer(g), g.size, generator, spread) for name, g in lattice.gauges.items()}


def _drawn(cls: SymmetryClass, outer: int, n: int, generator: torch.Generator, spread: float) -> Tensor:
    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def turn(k: int) -> Tensor:
        q, r = torch.linalg.qr(normal(outer, k, k))
        return q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None, :]

    signs, scales = normal(outer, n).sign(), (spread * normal(outer, n)).exp()
    match cls:
        case SymmetryClass.SIGNED:
            return signs
        case SymmetryClass.SCALED:
            return scales
        case SymmetryClass.MONOMIAL:
            return signs * scales
        case SymmetryClass.ORTHOGONAL:
            return turn(n)
        case SymmetryClass.CENTRED:
            basis = centred_basis(n)
            return torch.full((n, n), 1 / n, dtype=torch.float64) + basis @ turn(n - 1) @ basis.mT
        case SymmetryClass.INVERTIBLE:
            return turn(n) @ torch.diag_embed(scales) @ turn(n)
        case SymmetryClass.ROTATIONS | SymmetryClass.ROTARY:
            angle, scale = 2 * torch.pi * normal(outer, n // 2), scales[:, : n // 2] if cls == SymmetryClass.ROTARY else torch.ones(outer, n // 2)
            return planes(scale * angle.cos(), scale * angle.sin())
        case _:
            raise ValueError(f"No gauge is of class {cls}.")


def planes(a: Tensor, b: Tensor) -> Tensor:
    """(…, n/2) twice → (…, n, n): the matrix a, −b; b, a in the plane of places i and i + n/2."""
    a, b = torch.diag_embed(a), torch.diag_embed(b)
    return torch.cat([torch.cat([a, -b], -1), torch.cat([b, a], -1)], -2)


@lru_cache(maxsize=64)
def centred_basis(n: int) -> Tensor:
    """(n, n − 1) orthonormal columns that span what is orthogonal to the ones."""
    q, _ = torch.linalg.qr(torch.cat([torch.ones(n, 1, dtype=torch.float64), torch.eye(n, dtype=torch.float64)[:, 1:]], dim=1))
    return q[:, 1:].contiguous()


def along(tensor: Tensor, axis: int, rows: Tensor, value: Tensor) -> Tensor:
    """A tensor with the places `rows` (outer, n, m) of one axis multiplied by maps (outer, n) or (outer, n, n)."""
    moved = tensor.movedim(axis, 0).clone()
    rows, value = rows.to(tensor.device), value.to(tensor)
    block = moved[rows]
    diagonal = value.reshape(*value.shape, *[1] * (block.dim() - 2)) if value.dim() == 2 else None
    block = (value @ block.flatten(2)).reshape(block.shape) if diagonal is None else block * diagonal
    moved[rows] = block
    return moved.movedim(0, axis)


@lru_cache(maxsize=4096)
def rows_of(axis: Axis, leaf: int, within: str) -> Tensor:
    """(outer, n, m): the places on an axis that belong to each unit of a leaf, for each unit of the group that it lies within."""
    unit, outer = labels(axis, within)[leaf]
    here = (unit >= 0).nonzero()[:, 0]
    n, o = int(unit.max()) + 1, int(outer.max()) + 1
    return here[(outer[here] * n + unit[here]).argsort(stable=True)].reshape(o, n, -1)


def labels(axis: Axis, within: str) -> list[tuple[Tensor, Tensor]]:
    """For each leaf: which of its units every place belongs to, and within which unit of the outer group; −1 where it does not stand."""
    match axis:
        case Fixed(n) | Free(_, n):
            return [(torch.arange(n), torch.zeros(n, dtype=torch.int64))]
        case Concat(parts):
            found: list[tuple[Tensor, Tensor]] = []
            whole, start = length(axis), 0
            for part in parts:
                for unit, outer in labels(part, within):
                    places = torch.full((2, whole), -1)
                    places[:, start : start + len(unit)] = torch.stack([unit, outer])
                    found.append((places[0], places[1]))
                start += length(part)
            return found
        case Product(factors):
            found, sizes = [], list(map(length, factors))
            digit: Tensor | None = None
            for i, factor in enumerate(factors):
                before, behind = prod(sizes[:i]), prod(sizes[i + 1 :])

                def spread(t: Tensor, before: int = before, behind: int = behind) -> Tensor:
                    return t[None, :, None].expand(before, -1, behind).flatten()

                for unit, outer in labels(factor, within):
                    unit, outer = spread(unit), spread(outer)
                    found.append((unit, torch.where(unit >= 0, digit, -1) if digit is not None else outer))
                if isinstance(factor, Free) and within and factor.group == within:
                    digit = spread(torch.arange(factor.size))
            return found


def left_of(axis: Axis, leaf: int) -> tuple[str, ...]:
    """The groups to the left of a leaf in the same product."""
    return _lefts(axis, ())[leaf]


def _lefts(axis: Axis, left: tuple[str, ...]) -> list[tuple[str, ...]]:
    match axis:
        case Fixed() | Free():
            return [left]
        case Concat(parts):
            return [one for part in parts for one in _lefts(part, left)]
        case Product(factors):
            found: list[tuple[str, ...]] = []
            for factor in factors:
                found += _lefts(factor, left)
                if isinstance(factor, Free):
                    left = (*left, factor.group)
            return found
