"""What each operator says of changes of basis: which axes of its inputs and outputs take the same map, the inverse transpose, or fewer maps.

The axes of every tensor are known by now (rules): each has *leaves*, the groups and the places held in order that it is made of. A leaf stands in a *basis*,
a variable of a class of maps (classes.py), either as it is (x becomes M x) or transposed inverted (what reads x takes M to the minus T).
A relation joins the bases of two leaves, one of them perhaps inverted, or restricts a class. Joining a basis with its own inverse leaves orthogonal maps.

An operator without a relation, and every leaf that a relation does not mention, is restricted to permutations, which the rules have vouched for: forgetting
something gives a symmetry away and never makes one up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from torch.fx import Node

from explorer.symmetry.axes import Atom
from explorer.symmetry.classes import SymmetryClass, meet
from explorer.symmetry.rules.operation import operator_name

C = SymmetryClass


class Basis:
    """A variable of the inference: a class of maps, or ± another basis. `why`: what restricted it, in the order of the graph."""

    __slots__ = ("cls", "inverted", "joined", "turned", "why")

    def __init__(self, cls: SymmetryClass) -> None:
        self.cls = cls
        self.joined: Basis | None = None
        self.inverted = False
        self.turned = False  # by a rotary embedding
        self.why: list[tuple[SymmetryClass, str]] = []

    def root(self) -> tuple[Basis, bool]:
        """What it has turned out to be, and whether inverted."""
        if self.joined is None:
            return self, False
        root, inverted = self.joined.root()
        return root, inverted != self.inverted


@dataclass(eq=False)
class Leaf:
    """A group, or places held in order, on one axis of a tensor. `key`: the atoms it is made of. `beside`: the groups on all axes of the tensor."""

    key: tuple[Atom, ...]
    size: int
    basis: Basis
    beside: frozenset[str] = frozenset()

    @property
    def cls(self) -> SymmetryClass:
        """What is left of its class."""
        return self.basis.root()[0].cls


Axes: TypeAlias = list[list[Leaf]]


@dataclass
class Slices:
    """A tensor whose slices along an axis have axes of their own (rules.Stacked)."""

    axis: int
    slices: list[Axes]


Value: TypeAlias = Any
"""Axes, Slices, a tuple of those, or an argument that is no tensor."""


@dataclass
class Relation:
    """An operator, and what has been said of it so far. `folded`: gains that count as ones; `gains`: those met."""

    node: Node
    where: str
    out: Value
    folded: frozenset[str] | None
    gains: dict[str, Leaf]
    parameter: Callable[[Any], str | None]
    told: set[int] = field(default_factory=set[int])

    def restrict(self, leaves: Sequence[Leaf], cls: SymmetryClass) -> None:
        """These leaves take maps of this class at most."""
        for leaf in leaves:
            self.told.add(id(leaf))
            restrict(leaf, cls, self.where)

    def same(self, x: Sequence[Leaf], y: Sequence[Leaf], *, inverse: bool = False) -> None:
        """Two axes take the same map, or the one the inverse transpose of the other's."""
        if [leaf.key for leaf in x] != [leaf.key for leaf in y]:
            self.restrict([*x, *y], C.PERMUTATION)
            return
        for a, b in zip(x, y, strict=True):
            self.told |= {id(a), id(b)}
            self._join(a, b, inverse)

    def in_order(self, x: Sequence[Leaf], y: Sequence[Leaf]) -> None:
        """The leaves of x are found again among those of y, in their order."""
        left = list(y)
        for a in x:
            at = next((i for i, b in enumerate(left) if b.key == a.key), None)
            if at is not None:
                self.same([a], [left[at]])
                del left[: at + 1]

    def _join(self, a: Leaf, b: Leaf, inverse: bool) -> None:
        (x, i), (y, j) = a.basis.root(), b.basis.root()
        opposite = (i != j) != inverse
        if x is y:
            if opposite:
                restrict(a, C.ORTHOGONAL, self.where)
            return
        y.joined, y.inverted = x, opposite
        x.turned = x.turned or y.turned
        x.why += y.why
        x.cls = meet(x.cls, y.cls)


def restrict(leaf: Leaf, cls: SymmetryClass, why: str) -> None:
    """A leaf takes maps of this class at most."""
    root, _ = leaf.basis.root()
    if (less := meet(root.cls, cls)) != root.cls:
        root.cls = less
        root.why.append((less, why))


def every(value: Value) -> Iterator[Leaf]:
    """All leaves of a value."""
    if isinstance(value, Slices):
        for s in value.slices:
            yield from every(s)
    elif isinstance(value, (list, tuple)):
        for v in cast("Sequence[Any]", value):
            yield from every(v)
    elif isinstance(value, Leaf):
        yield value


def relate(op: Relation, given: Mapping[str, Value]) -> None:
    """Everything one operator says: its relation, then permutations for what it did not mention."""
    relation = RELATIONS.get(operator_name(op.node))
    if relation is not None:
        relation(op, given)
    for leaf in (*every(tuple(given.values())), *every(op.out)):
        if id(leaf) not in op.told:
            restrict(leaf, C.PERMUTATION, op.where)
    schema = getattr(op.node.target, "_schema", None)
    if schema is not None and schema.is_mutable and (self := given.get("self")) and isinstance(op.out, list):
        all_same(op, self, cast("Axes", op.out))  # what sees the tensor under its old name sees it changed


Function: TypeAlias = Callable[[Relation, Mapping[str, Value]], None]
RELATIONS: dict[str, Function] = {}


def relation(*names: str) -> Callable[[Function], Function]:
    """Make a function the relation of these operators."""

    def register(function: Function) -> Function:
        RELATIONS.update(dict.fromkeys(names, function))
        return function

    return register


def all_same(op: Relation, x: Value, y: Value) -> None:
    """Every axis of one tensor in the basis of the other's."""
    if isinstance(x, Slices) and isinstance(y, Slices) and x.axis == y.axis:
        for a, b in zip(x.slices, y.slices, strict=True):
            all_same(op, a, b)
    elif isinstance(x, list) and isinstance(y, list) and len(cast("Axes", x)) == len(cast("Axes", y)):
        for a, b in zip(cast("Axes", x), cast("Axes", y), strict=True):
            op.same(a, b)


def wide(axis: Sequence[Leaf]) -> bool:
    """Whether an axis has more than one place."""
    return any(leaf.size > 1 for leaf in axis)
