"""The relations of PyTorch's operators: which axes take the same map, the inverse transpose, or fewer maps (bases.py says what that means)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from torch import Tensor
from torch.fx import Node

from explorer.symmetry.bases import RELATIONS, Axes, Function, Leaf, Relation, Slices, Value, all_same, every, relation, wide
from explorer.symmetry.classes import SymmetryClass, meet
from explorer.symmetry.rules.operation import arguments_of, operator_name, place, places, shape_of

C = SymmetryClass


# --- place by place -------------------------------------------------------------------------------------------------------------------------------


def _of_class(cls: SymmetryClass) -> Function:
    def one(op: Relation, given: Mapping[str, Value]) -> None:
        x = given["self"] if "self" in given else given["input"]
        all_same(op, x, op.out)
        op.restrict(list(every(x)), cls)

    return one


RELATIONS.update(dict.fromkeys(("relu", "leaky_relu", "abs"), _of_class(C.SCALED)))
RELATIONS.update(dict.fromkeys(("tanh", "sin", "erf", "atan", "asinh", "sinh"), _of_class(C.SIGNED)))


@relation("neg", "clone", "contiguous", "detach", "alias", "lift_fresh_copy", "lift_fresh", "to", "_to_copy", "type_as", "dropout", "feature_dropout")
def linear_place_by_place(op: Relation, given: Mapping[str, Value]) -> None:
    """The same numbers, or times one number."""
    all_same(op, given["self"] if "self" in given else given["input"], op.out)


@relation("add", "sub", "add_", "sub_")
def added(op: Relation, given: Mapping[str, Value]) -> None:
    """Both in one basis; along an axis that one of them is constant on, constants stay constants."""
    x, y = given["self"], given["other"]
    if not isinstance(x, list) or not isinstance(y, list):
        if 0 in (x, y):
            all_same(op, x if isinstance(x, list) else y, op.out)
        return
    for a, b, out in _along(x, y, op.out):
        if wide(a) and wide(b):
            op.same(a, out)
            op.same(b, out)


@relation("mul", "div")
def multiplied(op: Relation, given: Mapping[str, Value]) -> None:
    """By a number, or one that is constant along an axis: the axis keeps its basis. By a gain: the product may have a basis of its own. By another
    tensor: the basis of the one, if the other takes permutations alone."""
    x, y = given["self"], given["other"]
    divides = operator_name(op.node) == "div"
    if not isinstance(y, list) or (not isinstance(x, list) and not divides):
        all_same(op, x if isinstance(x, list) else y, op.out)
        return
    if not isinstance(x, list):
        return
    x, y = cast("Axes", x), cast("Axes", y)
    names = {i: op.parameter(op.node.args[i]) for i in (0, 1)}
    for a, b, out in _along(x, y, op.out):
        if wide(a) and not wide(b):
            op.same(a, out)
        elif wide(b) and not wide(a) and not divides:
            op.same(b, out)
        elif divides or not wide(a):
            continue
        elif names[1] and len(y) == 1:
            _gain(op, names[1], a, b, None, out, C.INVERTIBLE)
        elif names[0] and len(x) == 1:
            _gain(op, names[0], b, a, None, out, C.INVERTIBLE)
        elif x is not y:
            kept = b if all(not leaf.cls.moves for leaf in a) else a if all(not leaf.cls.moves for leaf in b) else b
            op.restrict(a if kept is b else b, C.PERMUTATION)
            op.restrict(kept, C.MONOMIAL)
            op.same(kept, out)


def _along(x: Axes, y: Axes, out: Axes) -> Iterator[tuple[list[Leaf], list[Leaf], list[Leaf]]]:
    for i in range(-1, -len(out) - 1, -1):
        yield (x[i] if len(x) >= -i else []), (y[i] if len(y) >= -i else []), out[i]


def _gain(op: Relation, name: str, x: list[Leaf], gain: list[Leaf], shift: list[Leaf] | None, out: list[Leaf], cls: SymmetryClass) -> None:
    """x times a gain, plus a shift. `cls`: the maps that what came before lets through.

    At first what comes out is a basis of its own, which the gain and the shift carry: so it shows which gains can be moved into what reads them. Those
    count as ones then, and let x through as it is; any other gain lets signs through.
    """
    if op.folded is None:
        op.restrict(x, C.PERMUTATION)
        op.same(gain, out)
        op.restrict(gain, C.MONOMIAL)
        if len(gain) == 1:
            op.gains[name] = gain[0]
    else:
        op.restrict(x, cls if name in op.folded else meet(cls, C.SIGNED))
        op.restrict(gain, C.PERMUTATION)
        op.same(x, out)
    if shift is not None:
        op.same(shift, out)


# --- normalisations and reductions ------------------------------------------------------------------------------------------------------------------


@relation("layer_norm", "rms_norm")
def normalised(op: Relation, given: Mapping[str, Value]) -> None:
    """Over the last axis alone: lengths are read, of the part orthogonal to the ones where the mean is taken off."""
    x, weight, bias = given["input"], given.get("weight"), given.get("bias")
    if len(given["normalized_shape"]) != 1:
        return
    cls = C.CENTRED if operator_name(op.node) == "layer_norm" else C.ORTHOGONAL
    name = op.parameter(arguments_of(op.node).get("weight"))
    if isinstance(weight, list) and name:
        _gain(op, name, x[-1], cast("Axes", weight)[0], cast("Axes", bias)[0] if isinstance(bias, list) else None, op.out[-1], cls)
    elif weight is None and bias is None:
        op.restrict(x[-1], cls)
        op.same(x[-1], op.out[-1])


@relation("batch_norm")
def channels_normalised(op: Relation, given: Mapping[str, Value]) -> None:
    """By running statistics: what comes out is in a basis of its own, which gain and shift carry."""
    weight, bias = given.get("weight"), given.get("bias")
    if isinstance(weight, list) and isinstance(bias, list):
        op.restrict(op.out[1], C.MONOMIAL)
        op.same(cast("Axes", weight)[0], op.out[1])
        op.same(cast("Axes", bias)[0], op.out[1])


@relation("pow")
def squared(op: Relation, given: Mapping[str, Value]) -> None:
    """x², of which nothing is read but its sum along some axes: lengths along those."""
    x = given["self"]
    dims = {d for user in op.node.users for d in _summed(user, len(x))} if given.get("exponent") == 2 else set[int]()
    if dims and all(_summed(user, len(x)) for user in op.node.users):
        for d in dims:
            op.restrict(x[d], C.ORTHOGONAL)


def _summed(node: Node, rank: int) -> list[int]:
    given = arguments_of(node)
    return places(given["dim"], rank) if operator_name(node) in ("mean", "sum") and given.get("dim") is not None else []


@relation("mean", "sum")
def reduced(op: Relation, given: Mapping[str, Value]) -> None:
    """A sum along some axes leaves the others as they are."""
    x = given["self"]
    gone = places(given.get("dim"), len(x))
    kept = [e for d, e in enumerate(x) if d not in gone]
    out = [e for d, e in enumerate(op.out) if d not in gone] if given.get("keepdim") else op.out
    for a, b in zip(kept, out, strict=True):
        op.same(a, b)


@relation("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
@relation("max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool1d")
def pooled(op: Relation, given: Mapping[str, Value]) -> None:
    """A mean or a maximum over pixels, of each channel."""
    x: Axes = given["self"] if "self" in given else given["input"]
    if not isinstance(op.out, list):
        return
    pixels = 1 if "1d" in operator_name(op.node) else 3 if "3d" in operator_name(op.node) else 2
    for a, b in zip(x[:-pixels], cast("Axes", op.out)[:-pixels], strict=True):
        op.same(a, b)
        if "max" in operator_name(op.node):
            op.restrict(a, C.SCALED)


# --- products --------------------------------------------------------------------------------------------------------------------------------------


@relation("linear")
def linear(op: Relation, given: Mapping[str, Value]) -> None:
    """x Wᵀ + b: W reads the input in the inverse transposed basis."""
    x, weight, bias = given["input"], given["weight"], given.get("bias")
    if len(weight) != 2:
        return
    op.same(x[-1], weight[-1], inverse=True)
    op.same(weight[0], op.out[-1])
    if isinstance(bias, list):
        op.same(cast("Axes", bias)[0], op.out[-1])
    else:
        for a, b in zip(x[:-1], op.out[:-1], strict=True):
            op.same(a, b)


@relation("matmul", "mm", "bmm")
def product(op: Relation, given: Mapping[str, Value]) -> None:
    """(…, i, k) × (…, k, j): the inner axes in bases inverse to each other."""
    x, y = given["self"], given["other"] if "other" in given else given["mat2"]
    if len(x) < 2 or len(y) < 2:
        return
    op.same(x[-1], y[-2], inverse=True)
    op.same(x[-2], op.out[-2])
    op.same(y[-1], op.out[-1])
    if len(y) == 2:
        for a, b in zip(x[:-2], op.out[:-2], strict=True):
            op.same(a, b)


@relation("addmm")
def product_and_bias(op: Relation, given: Mapping[str, Value]) -> None:
    """b + x y, with a bias for every column."""
    product(op, {"self": given["mat1"], "mat2": given["mat2"]})
    bias = given["self"]
    if len(bias) == 1:
        op.same(bias[0], op.out[-1])
        op.restrict(op.out[0], C.PERMUTATION)
    else:
        for a, b in zip(bias, op.out, strict=True):
            op.same(a, b)


@relation("conv1d", "conv2d", "conv3d")
def convolution(op: Relation, given: Mapping[str, Value]) -> None:
    """Linear in the channels; with groups of channels nothing is said."""
    x, weight, bias = given["input"], given["weight"], given.get("bias")
    if given.get("groups", 1) != 1:
        return
    channel = len(x) - (len(weight) - 1)
    op.same(x[channel], weight[1], inverse=True)
    op.same(weight[0], op.out[channel])
    if isinstance(bias, list):
        op.same(cast("Axes", bias)[0], op.out[channel])


@relation("embedding")
def looked_up(op: Relation, given: Mapping[str, Value]) -> None:
    """Rows of a table."""
    op.same(given["weight"][1], op.out[-1])


@relation("scaled_dot_product_attention")
def attention(op: Relation, given: Mapping[str, Value]) -> None:
    """Queries and keys in bases inverse to each other; values go through."""
    op.same(given["query"][-1], given["key"][-1], inverse=True)
    op.same(given["value"][-1], op.out[-1])


# --- numbers that move -----------------------------------------------------------------------------------------------------------------------------


@relation("view", "reshape", "_unsafe_view", "flatten", "unflatten", "unsqueeze", "squeeze", "expand", "expand_as")
def seen_otherwise(op: Relation, given: Mapping[str, Value]) -> None:
    """The same places in the same order."""
    x = given["self"]
    if isinstance(x, Slices) and isinstance(op.out, Slices):
        for a, b in zip(x.slices, op.out.slices, strict=True):
            op.in_order(list(every(a)), list(every(b)))
    elif isinstance(x, list):
        op.in_order(list(every(x)), list(every(op.out)))


@relation("permute", "transpose", "t", "swapaxes", "swapdims", "numpy_T", "mT")
def turned(op: Relation, given: Mapping[str, Value]) -> None:
    """Axes in another order."""
    x, out = given["self"], op.out
    if isinstance(x, Slices):
        if isinstance(out, Slices):
            for a, b in zip(x.slices, out.slices, strict=True):
                for axis in a:
                    for leaf in axis:
                        op.in_order([leaf], list(every(b)))
        return
    rank = len(x)
    match operator_name(op.node):
        case "permute":
            order = places(given["dims"], rank)
        case "t" | "numpy_T":
            order = list(range(rank))[::-1]
        case name:
            i, j = (-2, -1) if name == "mT" else (given.get("dim0", given.get("axis0")), given.get("dim1", given.get("axis1")))
            order = list(range(rank))
            order[i], order[j] = order[j], order[i]
    for d, old in enumerate(order):
        op.same(x[old], out[d])


@relation("cat", "concat", "concatenate")
def one_after_the_other(op: Relation, given: Mapping[str, Value]) -> None:
    """Along an axis, whose parts keep their bases."""
    parts: list[Axes] = [t for t in given["tensors"] if isinstance(t, list)]
    d = place(given.get("dim", 0), len(op.out))
    if any(len(t) != len(op.out) for t in parts):
        return
    op.in_order([leaf for t in parts for leaf in t[d]], op.out[d])
    for t in parts:
        for i, axis in enumerate(t):
            if i != d:
                op.same(axis, op.out[i])


@relation("chunk", "split", "split_with_sizes", "tensor_split")
def in_pieces(op: Relation, given: Mapping[str, Value]) -> None:
    """The reverse."""
    x, d = given["self"], place(given.get("dim", 0), len(given["self"]))
    op.in_order(x[d], [leaf for t in op.out for leaf in t[d]])
    for t in op.out:
        for i, axis in enumerate(x):
            if i != d:
                op.same(axis, t[i])


@relation("slice", "narrow")
def a_piece(op: Relation, given: Mapping[str, Value]) -> None:
    """A part of an axis, whose leaves are told from one another by what they are made of; two that are alike say nothing."""
    x, out = given["self"], op.out
    if not isinstance(x, list):
        return
    d = place(given.get("dim", 0), len(cast("Axes", x)))
    for i, axis in enumerate(cast("Axes", x)):
        if i != d or shape_of(example(op.node.args[0]))[d] == shape_of(example(op.node))[d]:
            op.same(axis, out[i])
        elif len({leaf.key for leaf in axis}) == len(axis) and given.get("step", 1) == 1:
            op.in_order(axis, out[i])


def example(node: Any) -> Tensor:
    return cast("Tensor", node.meta["val"])


@relation("select")
def a_slice(op: Relation, given: Mapping[str, Value]) -> None:
    """One place of an axis, the others as they are."""
    x = given["self"]
    if isinstance(x, Slices):
        if place(given["dim"], len(x.slices[0]) + 1) == x.axis:
            all_same(op, x.slices[given["index"]], op.out)
        return
    d = place(given["dim"], len(x))
    all_same(op, [*x[:d], *x[d + 1 :]], op.out)


@relation("unbind")
def slice_by_slice(op: Relation, given: Mapping[str, Value]) -> None:
    """All of them."""
    x = given["self"]
    if isinstance(x, Slices) and place(given.get("dim", 0), len(x.slices[0]) + 1) == x.axis:
        for a, b in zip(x.slices, op.out, strict=True):
            all_same(op, a, b)
