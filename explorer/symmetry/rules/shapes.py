"""Rules of tensors seen in another shape: views, transpositions, new and repeated axes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any, cast

from torch.fx import Node

from explorer.symmetry.axes import Atom, Times, pieces, pin, pinned, regroup, resolve, size
from explorer.symmetry.rules.operation import (
    NotUnderstood,
    OnlyShape,
    Operation,
    Segmented,
    Stacked,
    Type,
    Value,
    arguments_of,
    operator_name,
    place,
    places,
    run_of,
    shape_of,
    unstacked,
)
from explorer.symmetry.rules.registry import rule

PARTS = 16  # an axis with more places than this is not taken for a fused layer's parts


@rule("view", "reshape", "_unsafe_view", "flatten", "unflatten", "ravel", "view_as", "reshape_as")
def view(op: Operation, self: Type, other: OnlyShape | None = None, dtype: Any = None) -> Value:
    """The same places in another shape. An axis that is only ever taken apart slice by slice makes a stacked tensor."""
    if dtype is not None:
        if op.shape != tuple(map(size, self)):
            raise NotUnderstood("bits seen as numbers of another size")
        return self
    for axis, n in enumerate(op.shape):
        if 1 < n <= PARTS and _taken_apart(op.node, axis):
            return _stack(self, op.shape, axis)
    for axis in range(len(op.shape) - 1):
        if (starts := _segments(op.node, axis, op.shape[axis])) is not None:
            return _segmented(self, op.shape, axis, starts)
    return regroup(self, op.shape)


def _segments(node: Node, axis: int, size: int) -> list[int] | None:
    """Where an axis is cut into segments, when all that happens to it is that consecutive places are taken, not the same of them by all."""
    runs = [run_of(user) for user in node.users]
    if not runs or any(run is None or run[0] != axis or not run[2] for run in runs):
        return None
    ends = {0, *(end for run in runs if run for end in (run[1], run[1] + run[2]))} - {size}
    return sorted(ends) if len(ends) > 1 else None


def _segmented(x: Type, out: tuple[int, ...], axis: int, starts: list[int]) -> Segmented:
    """x viewed as `out`, what is at and after that axis cut into consecutive pieces, each of which has axes of its own."""
    inner = prod(out[axis + 1 :])
    *before, whole = regroup(x, (*out[:axis], out[axis] * inner))
    sizes = [b - a for a, b in pairwise([*starts, out[axis]])]
    parts = pieces(whole, [n * inner for n in sizes])
    return Segmented(axis, starts, [[*before, *regroup([part], (n, *out[axis + 1 :]))] for n, part in zip(sizes, parts, strict=True)])


def _stack(x: Type, out: tuple[int, ...], axis: int) -> Stacked:
    """x viewed as `out`, the slices along `axis` with types of their own: consecutive pieces of what is at and after that axis."""
    *before, whole = regroup(x, (*out[:axis], prod(out[axis:])))
    parts = pieces(whole, [prod(out[axis + 1 :])] * out[axis])
    return Stacked(axis, [[*before, *regroup([part], out[axis + 1 :])] for part in parts])


def _taken_apart(node: Node, axis: int) -> bool:
    """Whether all that happens to this axis later is select or unbind, perhaps after transpositions."""
    if not node.users:
        return False
    rank = len(shape_of(node.meta["val"]))
    for user in node.users:
        given = arguments_of(user)
        match operator_name(user):
            case "unbind" | "select" if place(given.get("dim", 0), rank) == axis:
                continue
            case "permute" | "transpose" | "unsqueeze" | "squeeze" | "contiguous" | "clone":
                moved = _moved(user, axis)
                if moved is not None and _taken_apart(user, moved):
                    continue
            case _:
                pass
        return False
    return True


def _moved(node: Node, axis: int) -> int | None:
    """Where an axis of its input is after a transposition and the like; None where it is gone."""
    given = arguments_of(node)
    old = shape_of(cast("Node", given["self"]).meta["val"])
    rank = len(old)
    match operator_name(node):
        case "permute":
            return places(given["dims"], rank).index(axis)
        case "transpose":
            i, j = place(given["dim0"], rank), place(given["dim1"], rank)
            return {i: j, j: i}.get(axis, axis)
        case "unsqueeze":
            return axis + (place(given["dim"], rank + 1) <= axis)
        case "squeeze":
            gone = [d for d in _squeezed(given.get("dim"), rank) if old[d] == 1]
            return None if axis in gone else axis - sum(d < axis for d in gone)
        case _:
            return axis


def _through(op: Operation, x: Type | Stacked, one: Callable[[Type], Type]) -> Value:
    """A rule on one tensor, on every slice of a stacked one."""
    if not isinstance(x, Stacked):
        return one(x)
    moved = _moved(op.node, x.axis)
    if moved is None:
        return one(unstacked(x))
    slices: list[Type] = []
    for s in x.slices:
        done = one([*s[: x.axis], pinned(len(x.slices)), *s[x.axis :]])
        slices.append([*done[:moved], *done[moved + 1 :]])
    return Stacked(moved, slices)


@rule("permute")
def permute(op: Operation, self: Type | Stacked, dims: tuple[int, ...]) -> Value:
    """Axes in another order."""
    return _through(op, self, lambda x: [x[d] for d in places(dims, len(x))])


@rule("transpose")
def transpose(op: Operation, self: Type | Stacked, dim0: int, dim1: int) -> Value:
    """Two axes change places."""
    return _through(op, self, lambda x: _exchanged(x, dim0, dim1))


@rule("swapdims")
def swapdims(_op: Operation, self: Type, dim0: int, dim1: int) -> Value:
    """The same by another name."""
    return _exchanged(self, dim0, dim1)


@rule("swapaxes")
def swapaxes(_op: Operation, self: Type, axis0: int, axis1: int) -> Value:
    """The same by another name."""
    return _exchanged(self, axis0, axis1)


def _exchanged(x: Type, i: int, j: int) -> Type:
    done = list(x)
    done[i], done[j] = x[j], x[i]
    return done


@rule("t", "numpy_T")
def reversed_axes(_op: Operation, self: Type) -> Value:
    """All axes in reverse."""
    return self[::-1]


@rule("mT", "adjoint", "matrix_H")
def transposed_matrices(_op: Operation, self: Type) -> Value:
    """The last two axes change places."""
    return _exchanged(self, -2, -1)


@rule("movedim", "moveaxis")
def movedim(_op: Operation, self: Type, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Value:
    """Axes move, the others keep their order."""
    moving, targets = places(source, len(self)), places(destination, len(self))
    rest = [d for d in range(len(self)) if d not in moving]
    for target, d in sorted(zip(targets, moving, strict=True)):
        rest.insert(target, d)
    return [self[d] for d in rest]


@rule("unsqueeze")
def unsqueeze(op: Operation, self: Type | Stacked, dim: int) -> Value:
    """A new axis of one place."""

    def one(x: Type) -> Type:
        d = place(dim, len(x) + 1)
        return [*x[:d], Atom(1), *x[d:]]

    return _through(op, self, one)


@rule("squeeze")
def squeeze(op: Operation, self: Type | Stacked, dim: int | tuple[int, ...] | None = None) -> Value:
    """Axes of one place go."""
    return _through(op, self, lambda x: [e for d, e in enumerate(x) if d not in _squeezed(dim, len(x)) or size(e) != 1])


def _squeezed(dim: int | tuple[int, ...] | None, rank: int) -> list[int]:
    return [] if dim == () else places(dim, rank)  # naming none is not the same as not naming any


@rule("expand", "expand_as", "broadcast_to")
def expand(op: Operation, self: Type, other: OnlyShape | None = None) -> Value:
    """An axis of one place repeated: all its places are alike, so any order will do."""
    x = [*(Atom(1) for _ in range(len(op.shape) - len(self))), *self]
    return [e if size(e) == n else Atom(n) for e, n in zip(x, op.shape, strict=True)]


@rule("repeat", "tile")
def repeat(op: Operation, self: Type) -> Value:
    """Each axis is repeats × itself."""
    x = [*(Atom(1) for _ in range(len(op.shape) - len(self))), *self]
    return [resolve(Times((Atom(n // max(size(e), 1)), e))) for e, n in zip(x, op.shape, strict=True)]


@rule("repeat_interleave")
def repeat_interleave(_op: Operation, self: Type, repeats: int, dim: int) -> Value:
    """An axis is itself × repeats."""
    d = place(dim, len(self))
    return [*self[:d], resolve(Times((self[d], Atom(repeats)))), *self[d + 1 :]]


@rule("view_as_complex")
def view_as_complex(_op: Operation, self: Type) -> Value:
    """Real and imaginary parts stand on a last axis of two, in this order."""
    pin(self[-1])
    return self[:-1]


@rule("view_as_real")
def view_as_real(_op: Operation, self: Type) -> Value:
    """The reverse."""
    return [*self, pinned(2)]
