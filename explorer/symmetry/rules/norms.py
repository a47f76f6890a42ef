"""Rules of normalisations and of reductions, which take axes away."""

from __future__ import annotations

from torch import Tensor

from explorer.symmetry.axes import Atom, Times, pin, size, unify
from explorer.symmetry.rules.operation import NotUnderstood, Operation, Type, Value, broadcast, in_order, operator_name, places
from explorer.symmetry.rules.registry import rule


@rule("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm")
def last_axes_norm(op: Operation, input: Type, weight: Type | None = None, bias: Type | None = None) -> Value:
    """Normalises over the last axes; scale and shift stand on the same ones."""
    for w in (weight, bias):
        for i in range(1, len(w or ()) + 1):
            unify((w or [])[-i], input[-i])
    return _and_statistics(op, input)


@rule("batch_norm", "instance_norm", "_native_batch_norm_legit_no_training", "native_batch_norm", "cudnn_batch_norm")
def channel_norm(
    op: Operation,
    input: Type,
    weight: Type | None = None,
    bias: Type | None = None,
    running_mean: Type | None = None,
    running_var: Type | None = None,
) -> Value:
    """Scale, shift and running statistics stand on the channels."""
    if len(input) < 2:
        raise NotUnderstood("no axis of channels")
    for w in (weight, bias, running_mean, running_var):
        if w:
            unify(w[0], input[1])
    return _and_statistics(op, input)


@rule("group_norm")
def group_norm(op: Operation, input: Type, num_groups: int, weight: Type | None = None, bias: Type | None = None) -> Value:
    """Channels are a product groups × channels of a group."""
    unify(input[1], Times((Atom(num_groups), Atom(size(input[1]) // num_groups))))
    for w in (weight, bias):
        if w:
            unify(w[0], input[1])
    return _and_statistics(op, input)


@rule("native_group_norm")
def native_group_norm(op: Operation, input: Type, weight: Type | None, bias: Type | None, group: int) -> Value:
    """The same, with its statistics."""
    return group_norm(op, input, group, weight, bias)


def _and_statistics(op: Operation, x: Type) -> Value:
    return x if isinstance(op.value, Tensor) else (x, *map(in_order, op.value[1:]))


@rule("_weight_norm")
def weight_norm(op: Operation, v: Type, g: Type) -> Value:
    """g v / ‖v‖, the norm over all axes but that of g."""
    return broadcast([v, g], len(op.shape))


@rule("sum", "mean", "amax", "amin", "var", "std", "norm", "linalg_vector_norm", "logsumexp", "any", "all", "count_nonzero")
@rule("var_mean", "std_mean", "aminmax")
def reduction(op: Operation, self: Type, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> Value:
    """Takes axes away, whatever their order."""
    left = _without(self, places(dim, len(self)), keepdim)
    return left if isinstance(op.value, Tensor) else tuple(left for _ in op.value)


@rule("argmax", "argmin", "max", "min", "median", "prod", "mode")
def choosing(op: Operation, self: Type, dim: int | tuple[int, ...] | None = None, keepdim: bool = False, other: Type | None = None) -> Value:
    """May also tell where: then the axis is pinned. Of two tensors: place by place."""
    if other is not None:
        return broadcast([self, other], len(op.shape))
    dims = places(dim, len(self))
    if op.name in ("argmax", "argmin") or _used(op, 1):
        pin(*(self[d] for d in dims))
    left = _without(self, dims, keepdim)
    return left if isinstance(op.value, Tensor) else tuple(left for _ in op.value)


def _without(x: Type, dims: list[int], keepdim: bool) -> Type:
    return [Atom(1) if d in dims else e for d, e in enumerate(x) if keepdim or d not in dims]


def _used(op: Operation, result: int) -> bool:
    """Whether anything is done with one of an operator's several results."""
    several = not isinstance(op.value, Tensor)
    return several and any(operator_name(user) != "getitem" or (user.args[1] == result and user.users) for user in op.node.users)
