"""Rules of axes put together and taken apart: concatenations, slices, places by index."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from explorer.symmetry.axes import Atom, Expression, Plus, Times, pieces, pin, pinned, resolve, size, unify
from explorer.symmetry.rules.operation import (
    NotUnderstood,
    Operation,
    Segmented,
    Stacked,
    Type,
    Value,
    broadcast,
    is_type,
    place,
    places,
    run_of,
    shape_of,
    unstacked,
)
from explorer.symmetry.rules.registry import rule


@rule("cat", "concat", "concatenate")
def cat(_op: Operation, tensors: tuple[Type, ...], dim: int = 0) -> Value:
    """One after the other along `dim`; the other axes are the same."""
    types = [t for t in tensors if not (len(t) == 1 and size(t[0]) == 0)]
    rank = len(types[0])
    d = place(dim, rank)
    for t in types[1:]:
        for i in range(rank):
            if i != d:
                unify(types[0][i], t[i])
    return [resolve(Plus(tuple(t[d] for t in types))) if i == d else types[0][i] for i in range(rank)]


@rule("stack")
def stack(_op: Operation, tensors: tuple[Type, ...], dim: int = 0) -> Value:
    """Along a new, pinned axis; all tensors have the same axes."""
    first, *others = tensors
    for t in others:
        for x, y in zip(first, t, strict=True):
            unify(x, y)
    d = place(dim, len(first) + 1)
    return [*first[:d], pinned(len(tensors)), *first[d:]]


@rule("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_split", "unsafe_chunk")
def split(op: Operation, self: Type, dim: int = 0) -> Value:
    """Consecutive pieces of an axis."""
    d = place(dim, len(self))
    results: list[Tensor] = list(op.value)
    return tuple([*self[:d], piece, *self[d + 1 :]] for piece in pieces(self[d], [shape_of(v)[d] for v in results]))


@rule("slice", "narrow", cuts=True)
def slice_(op: Operation, self: Type | Segmented, dim: int = 0, start: int | None = None, step: int = 1) -> Value:
    """A consecutive piece of an axis. Every step-th place: one for each unit, where it goes on to the end of an axis units × step; else pinned."""
    if isinstance(self, Segmented):
        return _taken(op, self)
    d = place(dim, len(self))
    whole, n = size(self[d]), op.shape[d]
    if n == whole:
        return self
    first = start or 0
    first = min(max(first + whole if first < 0 else first, 0), whole)
    piece: Expression = pinned(n)
    if step == 1:
        piece = pieces(self[d], [first, n, whole - first - n])[1]
    elif n * step == whole and first < step:
        unify(self[d], Times((units := Atom(n), pinned(step))))
        piece = resolve(units)
    else:
        pin(self[d])
    return [*self[:d], piece, *self[d + 1 :]]


@rule("unbind")
def unbind(_op: Operation, self: Type | Stacked, dim: int = 0) -> Value:
    """Slice by slice."""
    if isinstance(self, Stacked) and place(dim, len(self.slices[0]) + 1) == self.axis:
        return tuple(self.slices)
    x: Type = unstacked(self)
    d = place(dim, len(x))
    pin(x[d])
    return tuple([*x[:d], *x[d + 1 :]] for _ in range(size(x[d])))


@rule("select", cuts=True)
def select(_op: Operation, self: Type | Stacked, dim: int, index: int) -> Value:
    """One slice."""
    if isinstance(self, Stacked) and place(dim, len(self.slices[0]) + 1) == self.axis:
        return self.slices[index]
    x: Type = unstacked(self)
    d = place(dim, len(x))
    pin(x[d])
    return [*x[:d], *x[d + 1 :]]


@rule("embedding")
def embedding(op: Operation, weight: Type, indices: Type) -> Value:
    """Rows of a table, by index: the rows are pinned."""
    pin(weight[0], *indices)
    op.makes(weight[1])
    op.graph.written.append(weight[1])  # rows are read by index
    return [*indices, weight[1]]


@rule("index", cuts=True)
def index(op: Operation, self: Type | Segmented, indices: tuple[Type | None, ...]) -> Value:
    """Places by index: the indexed axes are pinned, unless known numbers take consecutive places of a segmented tensor."""
    if isinstance(self, Segmented):
        return _taken(op, self)
    given = {d: t for d, t in enumerate(indices) if t is not None}
    at = list(given)
    pin(*(e for t in given.values() for e in t), *(self[d] for d in at))
    out, rest = op.shape, [e for d, e in enumerate(self) if d not in given]
    new = max(map(len, given.values()), default=0)
    if len(out) != new + len(rest) or -1 in out:  # a mask, which takes as many axes as it has
        pin(*self)
        return list(map(pinned, out))
    first = at[0] if at == list(range(at[0], at[0] + len(at))) else 0
    return [*rest[:first], *map(pinned, out[first : first + new]), *rest[first:]]


def _taken(op: Operation, x: Segmented) -> Type:
    run = run_of(op.node)
    assert run is not None and run[0] == x.axis  # a view is only segmented when all that follows is such a run
    return x.taken(run[1], run[2])


@rule("gather")
def gather(_op: Operation, self: Type, dim: int, index: Type) -> Value:
    """out[i, k] = x[i, index[i, k]]: the axis that is looked up in is pinned, the others are one and the same."""
    along = places(dim, len(self))
    pin(*(self[d] for d in along))
    for k in range(len(self)):
        if k not in along:
            unify(self[k], index[k])  # where fewer places are gathered than there are, the sizes differ, and both are pinned
    return list(index)


@rule("scatter", "scatter_add", "scatter_reduce")
def scatter(op: Operation, self: Type, dim: int, index: Type, src: Type | None = None, value: Any = None) -> Value:
    """out[index[i, k], k] gets src[i, k]: the axis that is written along is pinned, the others are one and the same."""
    if is_type(value):
        raise NotUnderstood("a tensor as the number to write")
    along = places(dim, len(self))
    for t in (self, index, src):
        if t is not None:
            pin(*(t[d] for d in along))
            for k in range(len(self)):
                if k not in along:
                    unify(self[k], t[k])  # where only a part is written to, the sizes differ, and both are pinned
    return list(self)


@rule("index_add", "index_copy")
def index_add(_op: Operation, self: Type, dim: int, index: Type, source: Type) -> Value:
    """Whole slices of the source come to places by index: the axis that is written along is pinned on both, the others are one and the same."""
    along = places(dim, len(self))
    pin(*index, *(t[d] for t in (self, source) for d in along if t))
    broadcast([[e for k, e in enumerate(t) if k not in along] for t in (self, source)], max(len(self) - 1, 0))
    return list(self)


@rule("index_select", cuts=True)
def index_select(op: Operation, self: Type, dim: int, index: Type) -> Value:
    """Places by index along one axis."""
    along = places(dim, len(self))
    pin(*index, *(self[d] for d in along))
    return [pinned(n) if d in along else self[d] for d, n in enumerate(op.shape)]


@rule("pad", "constant_pad_nd")
def pad(op: Operation, self: Type, pad: tuple[int, ...], mode: str = "constant") -> Value:
    """A constant before and after: its places are alike. Any other padding, or a cropping one, pins."""
    x = list(self)
    for k in range(len(pad) // 2):
        d, left, right = len(x) - 1 - k, pad[2 * k], pad[2 * k + 1]
        if not left and not right:
            continue
        if mode == "constant" and left >= 0 and right >= 0:
            x[d] = resolve(Plus((Atom(left), x[d], Atom(right))))
        else:
            pin(x[d])
            x[d] = pinned(op.shape[d])
    return x
