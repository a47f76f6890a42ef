"""One typing rule per ATen operator: what it says about the axes of its inputs and outputs.

A rule gets the node, its arguments by name (tensors as their types) and returns the type of the output. The graph is the undecomposed one
of torch.export, so `linear`, `layer_norm`, `scaled_dot_product_attention` are single nodes. An operator without a rule pins everything it
touches, and is reported.

A type is a list of axes. `Stacked` is the one dependent type: after a fused projection is viewed as (…, 3, heads, dim), the three slices along that
axis have axes of their own (queries and keys may be permuted apart from values); it lives until it is taken apart again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from explorer.symmetry.axes import Atom, Expression, Plus, Times, pieces, pin, pinned, regroup, resolve, size, unify

Type: TypeAlias = list[Expression]


@dataclass
class Stacked:
    """A tensor whose slices along `axis` have types of their own."""

    axis: int
    slices: list[Type]


@dataclass
class Graph:
    """What the rules leave behind. `unknown`: operators not understood. `made`: axes along which layers make units, in the order of the graph.
    `used`: types that the network computes with; what is only cut off (the positions behind a short input) is not among them.
    """

    unknown: set[str] = field(default_factory=set[str])
    made: list[Expression] = field(default_factory=list[Expression])
    used: list[Type] = field(default_factory=list[Type])


Value: TypeAlias = Any  # a Type, a Stacked, a tuple of those, or any argument that is no tensor
Arguments: TypeAlias = Any  # dict[str, Value]
Rule: TypeAlias = Callable[[Node, Arguments, Graph], Value]

RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the typing rule of these ATen operators."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def infer(graph: torch.fx.Graph, given: dict[Node, Value], context: Graph, module: torch.nn.Module) -> Value:
    """Walk a graph in order, its placeholders' types given; returns the type of its output."""
    types: dict[Node, Value] = dict(given)
    for node in graph.nodes:
        if node in types:
            continue
        if node.op == "output":
            return _outputs(node.args[0], types)
        if node.op == "get_attr":
            attribute = _attribute(module, str(node.target))
            types[node] = attribute if isinstance(attribute, GraphModule) else _pinned_like(node)
        else:
            types[node] = _apply(node, types, context)
        context.used += tensors(types[node])
    return None


def _attribute(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part)
    return module


def _apply(node: Node, types: dict[Node, Value], context: Graph) -> Value:
    name = operator_name(node)
    arguments = _arguments(node, types)
    if name == "getitem":
        whole, at = arguments["0"], arguments["1"]
        return whole[at] if isinstance(whole, (tuple, list)) and not is_type(whole) else _unknown(node, arguments, context, name)
    if not any(True for _ in tensors(arguments)):
        return factory(node, name)
    known = RULES.get(name) if _native(node) else None
    if known is None and _pointwise(node):
        known = elementwise
    if known is None:
        return _unknown(node, arguments, context, name)
    if known not in (slice_, select, index, index_select):  # these cut off
        context.used += tensors(arguments)
    if known not in _STACK_RULES:
        arguments = {k: _unstacked(v) for k, v in arguments.items()}
    try:
        return known(node, arguments, context)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # an overload that the rule was not written for
        return _unknown(node, arguments, context, name)


def _native(node: Node) -> bool:
    """Whether an operator is PyTorch's own: a custom one may be called `linear` and be something else."""
    schema = getattr(node.target, "_schema", None)
    return schema is None or str(schema.name).startswith("aten::")


def _pointwise(node: Node) -> bool:
    """Whether an operator is tagged pointwise; of PyTorch's own, not every overload, and not every in-place variant, carries the tag of its kind."""
    packet = getattr(torch.ops.aten, operator_name(node), None) if _native(node) else None
    overloads = [getattr(packet, o) for o in packet.overloads()] if packet is not None else []
    return any(torch.Tag.pointwise in getattr(o, "tags", ()) for o in [node.target, *overloads])


def operator_name(node: Node) -> str:
    """linear, conv2d, add, …: without namespace, overload and the underscore of in-place variants."""
    target = node.target
    packet = getattr(target, "overloadpacket", None)
    name: str = packet.__name__ if packet is not None else getattr(target, "__name__", str(target))
    if name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    return name.strip("_") if name.startswith("__") else name


def _arguments(node: Node, types: dict[Node, Value]) -> Arguments:
    """Arguments by name, positions where the operator has no schema."""
    schema = getattr(node.target, "_schema", None)
    names = [a.name for a in schema.arguments] if schema is not None else [str(i) for i in range(len(node.args))]
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    return {k: _filled(v, types) for k, v in given.items()}


def _filled(value: Any, types: dict[Node, Value]) -> Value:
    if isinstance(value, Node):
        return types[value]
    if isinstance(value, (list, tuple)):
        return tuple(_filled(v, types) for v in cast("Sequence[Any]", value))
    return value


def _outputs(value: Any, types: dict[Node, Value]) -> Value:
    """The types of a graph's outputs, in tuples."""
    if isinstance(value, Node):
        return types[value]
    if isinstance(value, (list, tuple)):
        return tuple(_outputs(v, types) for v in cast("Sequence[Any]", value))
    if isinstance(value, dict):
        return tuple(_outputs(v, types) for v in cast("dict[str, Any]", value).values())
    return value


def is_type(value: Value) -> bool:
    """Whether an argument is a tensor's type. A tensor without axes is an empty list; tuples of plain arguments are never lists."""
    return isinstance(value, list)


def tensors(value: Value) -> Iterable[Type]:
    """Every type in an argument, however deep."""
    if is_type(value):
        yield value
    elif isinstance(value, Stacked):
        yield from value.slices
    elif isinstance(value, tuple):
        for v in cast("tuple[Any, ...]", value):
            yield from tensors(v)
    elif isinstance(value, dict):
        for v in cast("dict[str, Any]", value).values():
            yield from tensors(v)


def _unstacked(value: Value) -> Value:
    """A stacked tensor as an ordinary one: its slices share one type from here on."""
    if isinstance(value, Stacked):
        first, *others = value.slices
        for other in others:
            for x, y in zip(first, other, strict=True):
                unify(x, y)
        return [*first[: value.axis], pinned(len(value.slices)), *first[value.axis :]]
    if isinstance(value, tuple):
        return tuple(_unstacked(v) for v in cast("tuple[Any, ...]", value))
    return value


def shape(node: Node) -> tuple[int, ...]:
    """The shape of a node's tensor."""
    return _shape(node.meta["val"])


def _shape(value: Tensor) -> tuple[int, ...]:
    return tuple(
        n if isinstance(n, int) else -1 for n in cast("Iterable[Any]", value.shape)
    )  # -1: known only once the data are; fits nothing, so it pins


def _pinned_of(value: Any) -> Value:
    """A pinned type of the shape of a value, or of each of several."""
    if isinstance(value, Tensor):
        return list(map(pinned, _shape(value)))
    if isinstance(value, (list, tuple)):
        return tuple(_pinned_of(v) for v in cast("Sequence[Any]", value))
    return None


def _pinned_like(node: Node) -> Value:
    return _pinned_of(node.meta.get("val"))


def _unknown(node: Node, arguments: Arguments, context: Graph, name: str) -> Value:
    for t in tensors(arguments):
        pin(*t)
    context.unknown.add(name)
    return _pinned_like(node)


def factory(node: Node, name: str) -> Value:
    """A tensor made of nothing: a constant fill is the same in any order, anything else is pinned."""
    if name in ("zeros", "ones", "full", "scalar_tensor", "empty") and isinstance(node.meta.get("val"), Tensor):
        return [Atom(n) for n in shape(node)]
    return _pinned_like(node)


def _norm(dim: int, rank: int) -> int:
    return dim + rank if dim < 0 else dim


def _dims(arguments: Arguments, rank: int) -> list[int]:
    """The `dim` argument as a list; all axes where it is missing or empty."""
    dim = arguments.get("dim")
    if dim is None or dim == ():
        return list(range(rank))
    return [_norm(d, rank) for d in (dim if isinstance(dim, tuple) else (dim,))]


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


# --- elementwise, normalisation, reductions -------------------------------------------------------------------------------------------------------


@rule("clone", "contiguous", "detach", "alias", "lift_fresh_copy", "lift_fresh", "to", "type_as", "_to_copy", "fill", "zero", "requires_grad")
def kept(_node: Node, a: Arguments, _: Graph) -> Value:
    """The very same tensor, in another type perhaps; or overwritten with one number."""
    return a["self"]


@rule("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "copy", "float_power", "floor_divide", "and", "or")
@rule("leaky_relu", "hardswish", "log_sigmoid", "subtract", "multiply", "divide", "complex", "polar")
def elementwise(node: Node, a: Arguments, _: Graph) -> Value:
    """Place by place: the same axes, broadcast. Operators that PyTorch itself tags pointwise come here by that tag."""
    return broadcast(list(tensors(a)), len(shape(node)))


@rule("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty")
def constant(node: Node, _a: Arguments, _: Graph) -> Value:
    """A constant fill is the same in any order."""
    return [Atom(n) for n in shape(node)]


@rule("prelu")
def prelu(_node: Node, a: Arguments, _: Graph) -> Value:
    """One slope for all, or one for each channel."""
    x, w = a["self"], a["weight"]
    if w and size(w[0]) > 1:
        unify(w[0], x[1 if len(x) > 1 else 0])
    return x


@rule("glu")
def glu(_node: Node, a: Arguments, _: Graph) -> Value:
    """The first half of an axis times the sigmoid of the second: one order for both."""
    x: Type = list(a["self"])
    d = _norm(int(a.get("dim", -1)), len(x))
    x[d], gate = pieces(x[d], [size(x[d]) // 2] * 2)
    unify(x[d], gate)
    return x


@rule("softmax", "log_softmax", "_softmax", "_log_softmax", "softmin")
def same(_node: Node, a: Arguments, _: Graph) -> Value:
    """Normalises along an axis whatever its order."""
    return a["self"] if "self" in a else a["input"]


@rule("cumsum", "cumprod", "logcumsumexp", "cummax", "flip", "roll", "sort", "topk", "argsort", "renorm", "diff", "unfold")
def ordered(node: Node, a: Arguments, _: Graph) -> Value:
    """The order along `dim` (or `dims`) means something: pinned; the other axes stay."""
    x: Type = a["self"]
    dims = a.get("dims", a.get("dim", a.get("dimension")))
    along = list(range(len(x))) if dims is None or dims == () else [_norm(d, len(x)) for d in (dims if isinstance(dims, tuple) else (dims,))]
    for d in along:
        pin(x[d])

    def like(value: Tensor) -> Type:
        if value.dim() != len(x):
            pin(*x)
            return list(map(pinned, _shape(value)))
        return [pinned(n) if d in along else x[d] for d, n in enumerate(_shape(value))]

    value = node.meta["val"]
    return tuple(map(like, value)) if isinstance(value, (list, tuple)) else like(value)


@rule("tril", "triu")
def triangle(_node: Node, a: Arguments, _: Graph) -> Value:
    """The last two axes are compared with one another."""
    pin(*a["self"][-2:])
    return a["self"]


@rule("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm")
def last_axes_norm(node: Node, a: Arguments, _: Graph) -> Value:
    """Normalises over the last axes; scale and shift stand on the same ones."""
    x: Type = a["input"]
    for name in ("weight", "bias"):
        if is_type(w := a.get(name)):
            for i in range(1, len(w) + 1):
                unify(w[-i], x[-i])
    return _first_of_several(node, x)


@rule("batch_norm", "instance_norm", "_native_batch_norm_legit_no_training", "native_batch_norm", "cudnn_batch_norm")
def channel_norm(node: Node, a: Arguments, _: Graph) -> Value:
    """Scale, shift and running statistics stand on the channels."""
    x: Type = a["input"]
    for name in ("weight", "bias", "running_mean", "running_var"):
        if is_type(w := a.get(name)):
            unify(w[0], x[1])
    return _first_of_several(node, x)


@rule("group_norm", "native_group_norm")
def group_norm(node: Node, a: Arguments, _: Graph) -> Value:
    """Channels are a product groups × channels of a group."""
    x: Type = a["input"]
    groups = int(a.get("num_groups", a.get("group", 1)))
    unify(x[1], Times((Atom(groups), Atom(size(x[1]) // groups))))
    for name in ("weight", "bias"):
        if is_type(w := a.get(name)):
            unify(w[0], x[1])
    return _first_of_several(node, x)


def _first_of_several(node: Node, x: Type) -> Value:
    value = node.meta["val"]
    return x if isinstance(value, Tensor) else (x, *(_pinned_of(v) for v in value[1:]))


@rule("sum", "mean", "amax", "amin", "var", "std", "norm", "linalg_vector_norm", "logsumexp", "any", "all", "count_nonzero")
@rule("var_mean", "std_mean", "aminmax")
def reduction(node: Node, a: Arguments, _: Graph) -> Value:
    """Takes axes away, whatever their order."""
    x: Type = a["self"]
    dims = _dims(a, len(x))
    keep = bool(a.get("keepdim", False))
    left: Type = [Atom(1) if d in dims else e for d, e in enumerate(x) if keep or d not in dims]
    return left if isinstance(node.meta["val"], Tensor) else tuple(left for _ in node.meta["val"])


@rule("_weight_norm")
def weight_norm(node: Node, a: Arguments, _: Graph) -> Value:
    """g v / ‖v‖, the norm over all axes but that of g."""
    return broadcast([a["v"], a["g"]], len(shape(node)))


@rule("argmax", "argmin", "max", "min", "median", "prod", "mode")
def choosing(node: Node, a: Arguments, _: Graph) -> Value:
    """May also tell where: then the axis is pinned. Of two tensors: place by place."""
    if is_type(a.get("other")):
        return broadcast([a["self"], a["other"]], len(shape(node)))
    x: Type = a["self"]
    dims, keep = _dims(a, len(x)), bool(a.get("keepdim", False))
    if operator_name(node) in ("argmax", "argmin") or _used(node, 1):
        pin(*(x[d] for d in dims))
    left: Type = [Atom(1) if d in dims else e for d, e in enumerate(x) if keep or d not in dims]
    return left if isinstance(node.meta["val"], Tensor) else tuple(left for _ in node.meta["val"])


def _used(node: Node, result: int) -> bool:
    """Whether anything is done with one of an operator's several results."""
    several = not isinstance(node.meta["val"], Tensor)
    return several and any(operator_name(user) != "getitem" or (user.args[1] == result and user.users) for user in node.users)


# --- linear algebra -------------------------------------------------------------------------------------------------------------------------------


@rule("linear")
def linear(_node: Node, a: Arguments, context: Graph) -> Value:
    """x Wᵀ + b: W is (out, in), or (in) for a single output."""
    x, w, b = a["input"], a["weight"], a.get("bias")
    unify(x[-1], w[-1])
    if len(w) == 1:
        return x[:-1]
    context.made.append(w[0])
    if is_type(b):
        unify(b[0], w[0])
    return [*x[:-1], w[0]]


@rule("matmul", "mm", "bmm", "mv", "dot")
def matmul(node: Node, a: Arguments, context: Graph) -> Value:
    """(…, i, k) × (…, k, j)."""
    return _product(a["self"], a.get("other", a.get("mat2", a.get("vec", a.get("tensor")))), len(shape(node)), context)


@rule("addmm", "baddbmm", "addbmm", "addmv")
def add_product(node: Node, a: Arguments, context: Graph) -> Value:
    """b + x y."""
    left = a.get("mat1", a.get("batch1", a.get("mat")))
    right = a.get("mat2", a.get("batch2", a.get("vec")))
    if operator_name(node) == "addbmm":  # sums over the batch
        unify(left[0], right[0])
        left, right = left[1:], right[1:]
    rank = len(shape(node))
    return broadcast([_product(left, right, rank, context), a["self"]], rank)


def _product(x: Type, y: Type, rank: int, context: Graph) -> Type:
    context.made += [y[-1], *x[-2:-1]]
    if len(y) == 1:
        unify(x[-1], y[0])
        return x[:-1]
    if len(x) == 1:
        unify(x[0], y[-2])
        return [*y[:-2], y[-1]]
    unify(x[-1], y[-2])
    return [*broadcast([x[:-2], y[:-2]], rank - 2), x[-2], y[-1]]


@rule("einsum")
def einsum(node: Node, a: Arguments, context: Graph) -> Value:
    """Equal letters are equal axes; what an ellipsis stands for is broadcast."""
    equation = str(a["equation"]).replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    letters: dict[str, Expression] = {}
    batches: list[Type] = []
    for term, t in zip(inputs.split(","), tensors(a["tensors"]), strict=True):
        first, dots, last = term.partition("...")
        batch = t[len(first) : len(t) - len(last)] if dots else []
        batches.append(batch)
        for letter, e in zip(first + last, t[: len(first)] + t[len(first) + len(batch) :], strict=True):
            known = letters.setdefault(letter, e)
            if size(known) == 1:
                letters[letter] = e
            elif size(e) != 1:
                unify(known, e)
    context.made += letters.values()
    if not arrow:
        return _unknown(node, a, context, "einsum without ->")
    batch = broadcast(batches, max(map(len, batches)))
    first, dots, last = output.partition("...")
    return [*(letters[x] for x in first), *(batch if dots else ()), *(letters[x] for x in last)]


@rule("scaled_dot_product_attention")
def attention(node: Node, a: Arguments, _: Graph) -> Value:
    """Queries and keys share their inner axis, keys and values their places; with grouped queries the heads are a product."""
    q, k, v = a["query"], a["key"], a["value"]
    unify(q[-1], k[-1])
    unify(k[-2], v[-2])
    rank = len(shape(node))
    if rank >= 3 and (heads := size(q[-3])) != (kv := size(k[-3])) and a.get("enable_gqa"):
        unify(k[-3], v[-3])
        repeat = Atom(heads // kv)
        unify(q[-3], Times((k[-3], repeat)))
        batch = [*broadcast([q[:-3], k[:-3], v[:-3]], rank - 3), q[-3]]
    else:
        batch = broadcast([q[:-2], k[:-2], v[:-2]], rank - 2)
    if is_type(mask := a.get("attn_mask")):
        broadcast([[*batch, q[-2], k[-2]], mask], rank)
    if a.get("is_causal"):
        pin(q[-2], k[-2])
    return [*batch, q[-2], v[-1]]


@rule("conv1d", "conv2d", "conv3d", "convolution")
def convolution(node: Node, a: Arguments, context: Graph) -> Value:
    """W is (out, in / groups, …); channels are products groups × channels of a group; pixels keep their order."""
    if a.get("transposed"):
        return transposed_convolution(node, a, context)
    x, w, b, groups = a["input"], a["weight"], a.get("bias"), int(a.get("groups", 1))
    channel = len(x) - (len(w) - 1)
    pin(*x[channel + 1 :], *w[2:])
    context.made.append(w[0])
    if groups == 1:
        unify(x[channel], w[1])
    else:
        g = Atom(groups)
        unify(x[channel], Times((g, w[1])))
        unify(w[0], Times((g, Atom(size(w[0]) // groups))))
    if is_type(b):
        unify(b[0], w[0])
    return [*x[:channel], w[0], *map(pinned, shape(node)[channel + 1 :])]


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(node: Node, a: Arguments, context: Graph) -> Value:
    """W is (in, out / groups, …)."""
    x, w, b, groups = a["input"], a["weight"], a.get("bias"), int(a.get("groups", 1))
    channel = len(x) - (len(w) - 1)
    pin(*x[channel + 1 :], *w[2:])
    out = w[1]
    context.made.append(w[1])
    unify(x[channel], w[0])
    if groups > 1:
        g = Atom(groups)
        unify(w[0], Times((g, Atom(size(w[0]) // groups))))
        out = Times((g, w[1]))
    if is_type(b):
        unify(b[0], out)
    return [*x[:channel], out, *map(pinned, shape(node)[channel + 1 :])]


@rule("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d")
@rule("adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "max_pool2d_with_indices", "_adaptive_avg_pool2d")
@rule("upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_linear1d", "upsample_nearest3d")
def pooling(node: Node, a: Arguments, _: Graph) -> Value:
    """Pixels keep their order, channels stay what they are."""
    x: Type = a["self"] if "self" in a else a["input"]
    name = operator_name(node)
    pixels = 1 if "1d" in name else 3 if "3d" in name else 2
    pin(*x[-pixels:])

    def like(value: Tensor) -> Type:
        return [*x[:-pixels], *map(pinned, _shape(value)[-pixels:])]

    value = node.meta["val"]
    return like(value) if isinstance(value, Tensor) else tuple(map(like, value))


@rule("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle(node: Node, a: Arguments, _: Graph) -> Value:
    """Channels are a product channels × r × r, whose two last factors become pixels."""
    x: Type = a["self"]
    pin(*x[-2:])
    out = shape(node)
    if operator_name(node) == "pixel_shuffle":
        r = int(a["upscale_factor"])
        unify(x[-3], Times((c := Atom(out[-3]), pinned(r), pinned(r))))
        channels: Expression = c
    else:
        r = int(a["downscale_factor"])
        channels = Times((x[-3], pinned(r), pinned(r)))
    return [*x[:-3], channels, *map(pinned, out[-2:])]


# --- shapes ---------------------------------------------------------------------------------------------------------------------------------------


@rule("view", "reshape", "_unsafe_view", "flatten", "unflatten", "ravel", "view_as", "reshape_as")
def view(node: Node, a: Arguments, _: Graph) -> Value:
    """The same places in another shape. An axis that is only ever taken apart slice by slice makes a stacked tensor."""
    x: Type = a["self"]
    out = shape(node)
    for axis, n in enumerate(out):
        if 1 < n <= 16 and _taken_apart(node, axis):
            return _stack(x, out, axis)
    return regroup(x, out)


def _stack(x: Type, out: tuple[int, ...], axis: int) -> Stacked:
    """x viewed as `out`, the slices along `axis` with types of their own: consecutive pieces of what is at and after that axis."""
    *before, whole = regroup(x, (*out[:axis], prod(out[axis:])))
    parts = pieces(whole, [prod(out[axis + 1 :])] * out[axis])
    return Stacked(axis, [[*before, *regroup([part], out[axis + 1 :])] for part in parts])


def _taken_apart(node: Node, axis: int) -> bool:
    """Whether all that happens to this axis later is select or unbind, perhaps after transpositions."""
    if not node.users:
        return False
    rank = len(shape(node))
    for user in node.users:
        name, args = operator_name(user), list(user.args[1:])
        match name:
            case "unbind" if _norm(int(cast("int", user.kwargs.get("dim", args[0] if args else 0))), rank) == axis:
                continue
            case "select" if args and _norm(int(cast("int", args[0])), rank) == axis:
                continue
            case "permute" | "transpose" | "unsqueeze" | "squeeze" | "contiguous" | "clone" if user.args[0] is node:
                moved = _moved(name, args, rank, axis, shape(node))
                if moved is not None and _taken_apart(user, moved):
                    continue
            case _:
                pass
        return False
    return True


def _moved(name: str, args: list[Any], rank: int, axis: int, old: tuple[int, ...]) -> int | None:
    """Where an axis is after a transposition and the like; None where that is not plain."""
    match name:
        case "permute":
            return [_norm(int(d), rank) for d in args[0]].index(axis)
        case "transpose":
            i, j = (_norm(int(d), rank) for d in args)
            return {i: j, j: i}.get(axis, axis)
        case "unsqueeze":
            return axis + (_norm(int(args[0]), rank + 1) <= axis)
        case "squeeze":
            if not args:
                return None
            dims = [_norm(int(d), rank) for d in (args[0] if isinstance(args[0], (list, tuple)) else (args[0],))]
            gone = [d for d in dims if old[d] == 1]
            return None if axis in gone else axis - sum(d < axis for d in gone)
        case _:
            return axis


def _through(node: Node, a: Arguments, one: Callable[[Type, list[Any]], Type]) -> Value:
    """A rule on one tensor, on every slice of a stacked one."""
    x = a["self"]
    args = list(node.args[1:])
    if not isinstance(x, Stacked):
        return one(x, args)
    rank = len(x.slices[0]) + 1
    old = list(map(size, x.slices[0]))
    old.insert(x.axis, len(x.slices))
    moved = _moved(operator_name(node), args, rank, x.axis, tuple(old))
    if moved is None:
        return one(_unstacked(x), args)
    slices: list[Type] = []
    for s in x.slices:
        whole = [*s[: x.axis], pinned(len(x.slices)), *s[x.axis :]]
        done = one(whole, args)
        slices.append([*done[:moved], *done[moved + 1 :]])
    return Stacked(moved, slices)


@rule("permute")
def permute(node: Node, a: Arguments, _: Graph) -> Value:
    """Axes in another order."""
    return _through(node, a, lambda x, args: [x[_norm(int(d), len(x))] for d in args[0]])


@rule("transpose", "swapaxes", "swapdims")
def transpose(node: Node, a: Arguments, _: Graph) -> Value:
    """Two axes change places."""

    def one(x: Type, args: list[Any]) -> Type:
        i, j = (_norm(int(d), len(x)) for d in args)
        done = list(x)
        done[i], done[j] = done[j], done[i]
        return done

    return _through(node, a, one)


@rule("t", "numpy_T", "mT", "adjoint", "matrix_H")
def flip_axes(node: Node, a: Arguments, _: Graph) -> Value:
    """All axes, or the last two, in reverse."""
    x: Type = a["self"]
    return x[::-1] if operator_name(node) in ("t", "numpy_T") else [*x[:-2], x[-1], x[-2]]


@rule("view_as_complex", "view_as_real")
def complex_numbers(node: Node, a: Arguments, _: Graph) -> Value:
    """Real and imaginary parts stand on a last axis of two, in this order."""
    x: Type = a["self"]
    if operator_name(node) == "view_as_real":
        return [*x, pinned(2)]
    pin(x[-1])
    return x[:-1]


@rule("movedim", "moveaxis")
def movedim(_node: Node, a: Arguments, _: Graph) -> Value:
    """Axes move, the others keep their order."""
    x: Type = a["self"]
    source, target = ((d if isinstance(d, tuple) else (d,)) for d in (a["source"], a["destination"]))
    source, target = ([_norm(int(d), len(x)) for d in dims] for dims in (source, target))
    rest = [d for d in range(len(x)) if d not in source]
    for d, s in sorted(zip(target, source, strict=True)):
        rest.insert(d, s)
    return [x[d] for d in rest]


@rule("unsqueeze")
def unsqueeze(node: Node, a: Arguments, _: Graph) -> Value:
    """A new axis of one place."""

    def one(x: Type, args: list[Any]) -> Type:
        done = list(x)
        done.insert(_norm(int(args[0]), len(x) + 1), Atom(1))
        return done

    return _through(node, a, one)


@rule("squeeze")
def squeeze(node: Node, a: Arguments, _: Graph) -> Value:
    """Axes of one place go."""

    def one(x: Type, args: list[Any]) -> Type:
        if not args:
            return [e for e in x if size(e) != 1]
        dims = [_norm(int(d), len(x)) for d in (args[0] if isinstance(args[0], (list, tuple)) else (args[0],))]
        return [e for d, e in enumerate(x) if d not in dims or size(e) != 1]

    return _through(node, a, one)


@rule("expand", "expand_as", "broadcast_to")
def expand(node: Node, a: Arguments, _: Graph) -> Value:
    """An axis of one place repeated: all its places are alike, so any order will do."""
    x: Type = a["self"]
    out = shape(node)
    x = [*(Atom(1) for _ in range(len(out) - len(x))), *x]
    return [e if size(e) == n else Atom(n) for e, n in zip(x, out, strict=True)]


@rule("repeat", "tile")
def repeat(node: Node, a: Arguments, _: Graph) -> Value:
    """Each axis is repeats × itself."""
    x: Type = a["self"]
    out = shape(node)
    x = [*(Atom(1) for _ in range(len(out) - len(x))), *x]
    return [resolve(Times((Atom(n // max(size(e), 1)), e))) for e, n in zip(x, out, strict=True)]


@rule("repeat_interleave")
def repeat_interleave(node: Node, a: Arguments, context: Graph) -> Value:
    """An axis is itself × repeats."""
    if not isinstance(repeats := a.get("repeats"), int) or a.get("dim") is None:
        return _unknown(node, a, context, "repeat_interleave")
    x: Type = list(a["self"])
    d = _norm(int(a["dim"]), len(x))
    x[d] = resolve(Times((x[d], Atom(repeats))))
    return x


@rule("cat", "concat", "concatenate")
def cat(_node: Node, a: Arguments, _: Graph) -> Value:
    """One after the other along `dim`; the other axes are the same."""
    types = [t for t in a["tensors"] if not (len(t) == 1 and size(t[0]) == 0)]
    rank = len(types[0])
    d = _norm(int(a.get("dim", 0)), rank)
    for t in types[1:]:
        for i in range(rank):
            if i != d:
                unify(types[0][i], t[i])
    return [resolve(Plus(tuple(t[d] for t in types))) if i == d else types[0][i] for i in range(rank)]


@rule("stack")
def stack(_node: Node, a: Arguments, _: Graph) -> Value:
    """Along a new, pinned axis; all tensors have the same axes."""
    types: Sequence[Type] = a["tensors"]
    for t in types[1:]:
        for x, y in zip(types[0], t, strict=True):
            unify(x, y)
    done = list(types[0])
    done.insert(_norm(int(a.get("dim", 0)), len(done) + 1), pinned(len(types)))
    return done


@rule("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_split", "unsafe_chunk")
def split(node: Node, a: Arguments, _: Graph) -> Value:
    """Consecutive pieces of an axis."""
    x: Type = a["self"]
    d = _norm(int(a.get("dim", 0)), len(x))
    sizes = [int(v.shape[d]) for v in node.meta["val"]]
    return tuple([*x[:d], piece, *x[d + 1 :]] for piece in pieces(x[d], sizes))


@rule("slice", "narrow")
def slice_(node: Node, a: Arguments, _: Graph) -> Value:
    """A consecutive piece of an axis; with a step, or where it cannot be cut, pinned."""
    x: Type = a["self"]
    d = _norm(int(a.get("dim", 0)), len(x))
    whole, n = size(x[d]), shape(node)[d]
    if n == whole:
        return x
    start = a.get("start")
    start = 0 if start is None else int(start)
    start = min(max(start + whole if start < 0 else start, 0), whole)
    if int(a.get("step", 1)) != 1:
        pin(x[d])
        return [*x[:d], pinned(n), *x[d + 1 :]]
    return [*x[:d], pieces(x[d], [start, n, whole - start - n])[1], *x[d + 1 :]]


@rule("unbind")
def unbind(_node: Node, a: Arguments, _: Graph) -> Value:
    """Slice by slice."""
    x, dim = a["self"], int(a.get("dim", 0))
    if isinstance(x, Stacked) and _norm(dim, len(x.slices[0]) + 1) == x.axis:
        return tuple(x.slices)
    x = _unstacked(x)
    d = _norm(dim, len(x))
    pin(x[d])
    return tuple([*x[:d], *x[d + 1 :]] for _ in range(size(x[d])))


@rule("select")
def select(_node: Node, a: Arguments, _: Graph) -> Value:
    """One slice."""
    x, dim = a["self"], int(a["dim"])
    if isinstance(x, Stacked) and _norm(dim, len(x.slices[0]) + 1) == x.axis:
        return x.slices[int(a["index"])]
    x = _unstacked(x)
    d = _norm(dim, len(x))
    pin(x[d])
    return [*x[:d], *x[d + 1 :]]


@rule("embedding")
def embedding(_node: Node, a: Arguments, context: Graph) -> Value:
    """Rows of a table, by index: the rows are pinned."""
    pin(a["weight"][0], *a["indices"])
    context.made.append(a["weight"][1])
    return [*a["indices"], a["weight"][1]]


@rule("index")
def index(node: Node, a: Arguments, _: Graph) -> Value:
    """Places by index: the indexed axes are pinned."""
    x: Type = a["self"]
    indices: tuple[Value, ...] = a["indices"]
    at = [d for d, i in enumerate(indices) if i is not None]
    for t in tensors(indices):
        pin(*t)
    pin(*(x[d] for d in at))
    out, rest = shape(node), [e for d, e in enumerate(x) if d not in at]
    new = max((len(t) for t in tensors(indices)), default=0)
    if len(out) != new + len(rest) or -1 in out:  # a mask, which takes as many axes as it has
        pin(*x)
        return list(map(pinned, out))
    first = at[0] if at == list(range(at[0], at[0] + len(at))) else 0
    return [*rest[:first], *map(pinned, out[first : first + new]), *rest[first:]]


@rule("gather")
def gather(_node: Node, a: Arguments, _: Graph) -> Value:
    """out[i, k] = x[i, index[i, k]]: the axis that is looked up in is pinned, the others are one and the same."""
    x, i = a["self"], a["index"]
    d = _norm(int(a["dim"]), len(x))
    pin(x[d])
    for k in range(len(x)):
        if k != d:
            unify(x[k], i[k])  # where fewer places are gathered than there are, the sizes differ, and both are pinned
    return list(i)


@rule("index_select")
def index_select(node: Node, a: Arguments, _: Graph) -> Value:
    """Places by index along one axis."""
    x: Type = a["self"]
    d = _norm(int(a["dim"]), len(x))
    pin(x[d], *a["index"])
    return [*x[:d], pinned(shape(node)[d]), *x[d + 1 :]]


@rule("pad", "constant_pad_nd")
def pad(node: Node, a: Arguments, _: Graph) -> Value:
    """A constant before and after: its places are alike. Any other padding, or a cropping one, pins."""
    x: Type = list(a["self"])
    plain = a.get("mode", "constant") == "constant"
    amounts: tuple[int, ...] = a["pad"]
    for k in range(len(amounts) // 2):
        d, left, right = len(x) - 1 - k, int(amounts[2 * k]), int(amounts[2 * k + 1])
        if not left and not right:
            continue
        if plain and left >= 0 and right >= 0:
            x[d] = resolve(Plus((Atom(left), x[d], Atom(right))))
        else:
            pin(x[d])
            x[d] = pinned(shape(node)[d])
    return x


@rule("_assert_tensor_metadata", "sym_size", "size", "_assert_async", "item", "is_nonzero", "_local_scalar_dense")
def nothing(node: Node, a: Arguments, _: Graph) -> Value:
    """Looks at a tensor and gives none."""
    if operator_name(node) in ("item", "is_nonzero", "_local_scalar_dense"):
        for t in tensors(a):
            pin(*t)
    return None


@rule("wrap_with_set_grad_enabled", "wrap_with_autocast")
def wrapped(node: Node, a: Arguments, context: Graph) -> Value:
    """A graph within the graph: walked with the types of its arguments."""
    at = next((k for k, v in a.items() if isinstance(v, GraphModule)), None)
    if at is None:
        return _unknown(node, a, context, operator_name(node))
    inner: GraphModule = a[at]
    given = [v for k, v in a.items() if int(k) > int(at)]
    placeholders = [n for n in inner.graph.nodes if n.op == "placeholder"]
    return infer(inner.graph, dict(zip(placeholders, given, strict=True)), context, inner)


_STACK_RULES: set[Rule] = {kept, permute, transpose, unsqueeze, squeeze, unbind, select}

__all__ = ["Graph", "Stacked", "Type", "infer", "is_type", "tensors"]
