"""What a typing rule works with: an operator of the graph, types of tensors, and the words to say how their axes hang together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torch.fx import Node

from explorer.symmetry.axes import Expression, Plus, pinned, resolve, size, unify

Type: TypeAlias = list[Expression]


@dataclass
class Stacked:
    """A tensor whose slices along `axis` have types of their own.

    The one dependent type: after a fused projection is viewed as (…, 3, heads, dim), queries and keys may be permuted apart from values. It lives
    until it is taken apart again.
    """

    axis: int
    slices: list[Type]


@dataclass
class Segmented:
    """A tensor cut along `axis` into consecutive segments with types of their own: where a fused projection is viewed as (…, heads + 2, dim), queries, key and
    value of attention with one head of keys. All that happens to it is that segments are taken; `starts`: where each begins."""

    axis: int
    starts: list[int]
    segments: list[Type]

    def taken(self, first: int, many: int) -> Type:
        """So many places from the first on, which are whole segments."""
        own = [s for start, s in zip(self.starts, self.segments, strict=True) if first <= start < first + many]
        joined = list(own[0])
        for other in own[1:]:
            for i, e in enumerate(other):
                if i != self.axis:
                    unify(joined[i], e)
        joined[self.axis] = resolve(Plus(tuple(s[self.axis] for s in own)))
        return joined


Value: TypeAlias = Any
"""A Type, a Stacked, a Segmented, a tuple of those, or any argument that is no tensor."""


class OnlyShape:
    """Annotates an argument of which nothing but the shape is asked: what is known of its axes says nothing about the result."""


@dataclass
class Graph:
    """What the rules leave behind. `unknown`: operators not understood. `made`: axes along which layers make units, in the order of the graph.
    `used`: types that the network computes with; what is only cut off (the positions behind a short input) is not among them. `written`, `read`:
    the axes that weights write to and read from; an axis of both kinds has units, whether or not they can be permuted. `types`: of every node.
    """

    unknown: set[str] = field(default_factory=set[str])
    made: list[Expression] = field(default_factory=list[Expression])
    used: list[Type] = field(default_factory=list[Type])
    written: list[Expression] = field(default_factory=list[Expression])
    read: list[Expression] = field(default_factory=list[Expression])
    types: dict[Node, Value] = field(default_factory=dict[Node, Value])


class NotUnderstood(Exception):
    """The operator is used in a way that its rule was not written for: all that it touches keeps its order, and it is reported."""


@dataclass(frozen=True)
class Operation:
    """One operator of the graph, as its rule sees it."""

    node: Node
    graph: Graph

    @property
    def name(self) -> str:
        """linear, conv2d, add, …: without the overload and the underscore of in-place variants; one that is not PyTorch's own as library::name."""
        return operator_name(self.node)

    @property
    def value(self) -> Any:
        """An example of what it gives: a tensor without numbers, or several."""
        return self.node.meta.get("val")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what it gives."""
        return shape_of(self.value)

    @property
    def where(self) -> str:
        """The operator, and the module in which it stands."""
        paths = [str(path) for path, _ in (self.node.meta.get("nn_module_stack") or {}).values()]
        return f"{self.name} in {paths[-1]}" if paths and paths[-1] else self.name

    def layer(self, *, reads: Expression, writes: Expression) -> None:
        """A weight leads from the units of one axis to those of another."""
        self.graph.read.append(reads)
        self.graph.written.append(writes)

    def makes(self, *axes: Expression) -> None:
        """Units come about along these axes: groups are called after the layer that makes them."""
        self.graph.made += axes


def operator_name(node: Node) -> str:
    """The name that a rule is registered under."""
    target = node.target
    packet = getattr(target, "overloadpacket", None)
    name: str = packet.__name__ if packet is not None else getattr(target, "__name__", str(target))
    if name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    name = name.strip("_") if name.startswith("__") else name
    schema = getattr(target, "_schema", None)
    library = str(schema.name).partition("::")[0] if schema is not None else "aten"
    return name if library == "aten" else f"{library}::{name}"


def arguments_of(node: Node) -> dict[str, Any]:
    """Arguments by the names of the operator's schema; by position, as "0", "1", …, where it has none."""
    schema = getattr(node.target, "_schema", None)
    names = [a.name for a in schema.arguments] if schema is not None else [str(i) for i in range(len(node.args))]
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def shape_of(value: Tensor) -> tuple[int, ...]:
    """A shape; -1 for what is known only once the data are: it fits nothing, so it pins."""
    return tuple(n if isinstance(n, int) else -1 for n in cast("Iterable[Any]", value.shape))


def run_of(node: Node) -> tuple[int, int, int] | None:
    """(axis, first, many) of consecutive places that a slice, or an index by known numbers, takes of a tensor; None of anything else."""
    given = arguments_of(node)
    self = given.get("self")
    if not isinstance(self, Node):
        return None
    shape = shape_of(self.meta["val"])
    match operator_name(node):
        case "slice" | "narrow" if given.get("step", 1) == 1:
            axis, first = place(int(given.get("dim", 0)), len(shape)), given.get("start") or 0
            first = min(max(first + shape[axis] if first < 0 else first, 0), shape[axis])
            return axis, first, shape_of(node.meta["val"])[axis]
        case "index":
            asked = [(axis, at) for axis, at in enumerate(given["indices"]) if at is not None]
            numbers = _known(asked[0][1]) if len(asked) == 1 else None
            if numbers is None or numbers.dim() != 1 or not len(numbers) or numbers.is_floating_point() or numbers.dtype == torch.bool:
                return None
            axis = asked[0][0]
            at = [place(int(n), shape[axis]) for n in numbers]
            return (axis, at[0], len(at)) if at == list(range(at[0], at[0] + len(at))) else None
        case _:
            return None


def _known(node: Any) -> Tensor | None:
    """The numbers of a constant of the graph."""
    while (
        isinstance(node, Node) and node.op == "call_function" and operator_name(node) in ("lift_fresh_copy", "lift_fresh", "detach", "clone", "alias")
    ):
        node = node.args[0]
    return node.meta.get("numbers") if isinstance(node, Node) else None


def is_type(value: Value) -> bool:
    """Whether an argument is a tensor's type. A tensor without axes is an empty list; tuples of plain arguments are never lists."""
    return isinstance(value, list)


def tensors(value: Value) -> Iterable[Type]:
    """Every type in an argument, however deep."""
    if is_type(value):
        yield value
    elif isinstance(value, Stacked):
        yield from value.slices
    elif isinstance(value, Segmented):
        yield from value.segments
    elif isinstance(value, tuple):
        for v in cast("tuple[Any, ...]", value):
            yield from tensors(v)
    elif isinstance(value, dict):
        for v in cast("dict[str, Any]", value).values():
            yield from tensors(v)


def unstacked(value: Value) -> Value:
    """A stacked tensor as an ordinary one: its slices share one type from here on."""
    if isinstance(value, Stacked):
        first, *others = value.slices
        for other in others:
            for x, y in zip(first, other, strict=True):
                unify(x, y)
        return [*first[: value.axis], pinned(len(value.slices)), *first[value.axis :]]
    if isinstance(value, tuple):
        return tuple(unstacked(v) for v in cast("tuple[Any, ...]", value))
    return value


def in_order(value: Any, why: str = "") -> Value:
    """A tensor that keeps its order along every axis, or several; what is no tensor stays what it is."""
    if isinstance(value, Tensor):
        return [pinned(n, why) for n in shape_of(value)]
    if isinstance(value, (list, tuple)):
        return tuple(in_order(v, why) for v in cast("Sequence[Any]", value))
    return value


def place(dim: int, rank: int) -> int:
    """An axis counted from the left."""
    return dim + rank if dim < 0 else dim


def places(dim: int | Sequence[int] | None, rank: int) -> list[int]:
    """Axes counted from the left; all of them where none is named. A tensor without axes is given as if it had one."""
    if dim is None or dim == () or not rank:
        return list(range(rank))
    return [place(d, rank) for d in (dim if isinstance(dim, Sequence) else (dim,))]


def broadcast(types: Sequence[Type], rank: int) -> Type:
    """Unify types from the right, as broadcasting does; axes of one place fit any."""
    found: Type = []
    for i in range(-rank, 0):
        axes = [t[i] for t in types if len(t) >= -i]
        wide = [a for a in axes if size(a) != 1] or axes
        for other in wide[1:]:
            unify(wide[0], other)
        found.append(resolve(wide[0]))
    return found


def pointwise(node: Node) -> bool:
    """Whether an operator is tagged pointwise; of PyTorch's own, not every overload, and not every in-place variant, carries the tag of its kind."""
    packet = getattr(torch.ops.aten, operator_name(node), None)
    overloads = [getattr(packet, o) for o in packet.overloads()] if packet is not None else []
    return any(torch.Tag.pointwise in getattr(o, "tags", ()) for o in [node.target, *overloads])
