"""Rules of what happens place by place, or along an axis that stays: activations, fills, normalised and sorted axes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from explorer.symmetry.axes import Atom, pieces, pin, pinned, size, unify
from explorer.symmetry.rules.operation import OnlyShape, Operation, Stacked, Type, Value, broadcast, place, places, shape_of, tensors
from explorer.symmetry.rules.registry import rule


@rule("clone", "contiguous", "detach", "alias", "lift_fresh_copy", "lift_fresh", "to", "type_as", "_to_copy", "fill", "zero", "requires_grad")
@rule("real", "imag", "conj", "resolve_conj", "resolve_neg")
def kept(_op: Operation, self: Type | Stacked, other: OnlyShape | None = None, value: Any = None) -> Value:
    """The very same tensor, in another type perhaps, or a part of each of its numbers; or overwritten with one number."""
    return self


@rule("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "copy", "float_power", "floor_divide", "and", "or")
@rule("leaky_relu", "hardswish", "log_sigmoid", "subtract", "multiply", "divide", "complex", "polar", "add")
def elementwise(op: Operation, **arguments: Value) -> Value:
    """Place by place: the same axes, broadcast. Operators that PyTorch itself tags pointwise come here by that tag."""
    several = isinstance(op.value, (list, tuple))
    same = broadcast(list(tensors(arguments)), (op.value[0] if several else op.value).dim())
    return tuple(same for _ in op.value) if several else same


@rule("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty")
def constant(op: Operation, self: OnlyShape) -> Value:
    """A constant fill is the same in any order."""
    return [Atom(n) for n in op.shape]


@rule("prelu")
def prelu(_op: Operation, self: Type, weight: Type) -> Value:
    """One slope for all, or one for each channel."""
    if weight and size(weight[0]) > 1:
        unify(weight[0], self[1 if len(self) > 1 else 0])
    return self


@rule("glu")
def glu(_op: Operation, self: Type, dim: int = -1) -> Value:
    """The first half of an axis times the sigmoid of the second: one order for both."""
    x, d = list(self), place(dim, len(self))
    x[d], gate = pieces(x[d], [size(x[d]) // 2] * 2)
    unify(x[d], gate)
    return x


@rule("softmax", "log_softmax", "_softmax", "_log_softmax")
def softmax(_op: Operation, self: Type) -> Value:
    """Normalises along an axis whatever its order."""
    return self


@rule("cumsum", "cumprod", "logcumsumexp", "cummax", "flip", "roll", "sort", "topk", "argsort", "renorm", "unfold")
def ordered(op: Operation, self: Type, dim: int | None = None, dims: int | tuple[int, ...] | None = None, dimension: int | None = None) -> Value:
    """The order along `dim` (or `dims`) means something: pinned; the other axes stay."""
    along = places(next((d for d in (dims, dim, dimension) if d is not None), None), len(self))
    pin(*(self[d] for d in along))

    def like(value: Tensor) -> Type:
        if value.dim() != len(self):
            pin(*self)
            return list(map(pinned, shape_of(value)))
        return [pinned(n) if d in along else self[d] for d, n in enumerate(shape_of(value))]

    return tuple(map(like, op.value)) if isinstance(op.value, (list, tuple)) else like(op.value)


@rule("diff")
def differences(op: Operation, self: Type, dim: int = -1, prepend: Type | None = None, append: Type | None = None) -> Value:
    """Of neighbours along `dim`, perhaps with something before and after."""
    d = place(dim, len(self))
    for t in (prepend, self, append):
        if t is not None:
            pin(t[d])
            broadcast([self[:d] + self[d + 1 :], t[:d] + t[d + 1 :]], len(self) - 1)
    return [*self[:d], pinned(op.shape[d]), *self[d + 1 :]]


@rule("tril", "triu")
def triangle(_op: Operation, self: Type) -> Value:
    """The last two axes are compared with one another."""
    pin(*self[-2:])
    return self
