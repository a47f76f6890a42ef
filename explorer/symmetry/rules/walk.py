"""The walk through an exported graph in order: every operator's rule is applied to the types of its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.fx import GraphModule, Node
from torch.utils._pytree import tree_leaves

from explorer.symmetry.axes import Atom, atoms, pin
from explorer.symmetry.rules.operation import (
    Graph,
    NotUnderstood,
    OnlyShape,
    Operation,
    Value,
    arguments_of,
    in_order,
    operator_name,
    pointwise,
    tensors,
)
from explorer.symmetry.rules.registry import RULES, Arguments, rule

FILLS = ("zeros", "ones", "full", "scalar_tensor", "empty")  # of nothing, with one number


def infer(graph: torch.fx.Graph, given: Mapping[Node, Value], context: Graph, module: torch.nn.Module) -> Value:
    """Walk a graph, its placeholders' types given; returns the type of its output. An operator without a rule pins all that it touches."""
    types = context.types
    types.update(given)
    matter = that_matter(graph)
    for node in graph.nodes:
        if node in types:
            continue
        if node.op == "output":
            return _filled(node.args[0], types)
        if node not in matter:
            types[node] = in_order(node.meta.get("val"))
            continue
        if node.op == "get_attr":
            attribute = _attribute(module, str(node.target))
            types[node] = attribute if isinstance(attribute, GraphModule) else in_order(node.meta.get("val"), why="constants")
        else:
            operation, arguments = Operation(node, context), {k: _filled(v, types) for k, v in arguments_of(node).items()}
            types[node] = _result(operation, arguments)
            pinned = (a for t in (*tensors(arguments), *tensors(types[node])) for e in t for a in atoms(e) if a.pinned and not a.why)
            for atom in pinned:
                atom.why = operation.where
        context.used += tensors(types[node])
    return None


def that_matter(graph: torch.fx.Graph) -> set[Node]:
    """The nodes whose numbers reach the output, or are written in place: a part that is cut out for its shape alone pins nothing."""
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        schema = getattr(node.target, "_schema", None)
        if node.op == "call_function" and (schema.is_mutable if schema is not None else isinstance(node.target, HigherOrderOperator)):
            found.add(node)
        if node.op == "output" or node in found:
            known = RULES.get(operator_name(node)) if node.op == "call_function" else None
            for name, value in arguments_of(node).items():
                if known is None or not known.asks_only_the_shape_of(name):
                    found.update(n for n in tree_leaves(value) if isinstance(n, Node))
    return found


def _result(operation: Operation, arguments: Arguments) -> Value:
    name = operation.name
    if name == "getitem":
        whole, at = arguments["0"], arguments["1"]
        return whole[at] if isinstance(whole, tuple) else _not_understood(operation, arguments)
    if not any(True for _ in tensors(arguments)):
        plain = name in FILLS and isinstance(operation.value, Tensor)
        return [Atom(n) for n in operation.shape] if plain else in_order(operation.value)  # a constant fill is the same in any order
    known = RULES.get(name) or (RULES["add"] if pointwise(operation.node) else None)
    if known is None:
        return _not_understood(operation, arguments)
    if not known.cuts:
        operation.graph.used += tensors(arguments)
    try:
        return known(operation, arguments)
    except NotUnderstood:
        return _not_understood(operation, arguments)
    except Exception as error:
        error.add_note(f"In the typing rule of {name}, at {operation.node.format_node()}")
        raise


def _not_understood(operation: Operation, arguments: Arguments) -> Value:
    free = [a for t in tensors(arguments) for e in t for a in atoms(e) if not a.pinned]
    pin(*free, why=f"{operation.where}, which is not understood")
    operation.graph.read += free  # for all that is known
    operation.graph.written += free
    operation.graph.unknown.add(operation.name)
    return in_order(operation.value)


def _filled(value: Any, types: Mapping[Node, Value]) -> Value:
    """Nodes replaced by their types, several in tuples."""
    if isinstance(value, Node):
        return types[value]
    if isinstance(value, (list, tuple)):
        return tuple(_filled(v, types) for v in cast("Sequence[Any]", value))
    if isinstance(value, dict):
        return tuple(_filled(v, types) for v in cast("dict[str, Any]", value).values())
    return value


def _attribute(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part)
    return module


@rule("_assert_tensor_metadata", "sym_size", "size", "_assert_async")
def looks(op: Operation, **_: OnlyShape) -> Value:
    """Looks at a tensor and gives none."""
    return op.value


@rule("item", "is_nonzero", "_local_scalar_dense")
def number(op: Operation, **arguments: Value) -> Value:
    """A number that the network goes on with is read at one place."""
    for t in tensors(arguments):
        pin(*t)
    return op.value


@rule("wrap_with_set_grad_enabled", "wrap_with_autocast")
def wrapped(op: Operation, **arguments: Value) -> Value:
    """A graph within the graph: walked with the types of its arguments."""
    values = list(arguments.values())
    at = next((i for i, v in enumerate(values) if isinstance(v, GraphModule)), None)
    if at is None:
        raise NotUnderstood("no graph within")
    inner: GraphModule = values[at]
    placeholders = [n for n in inner.graph.nodes if n.op == "placeholder"]
    return infer(inner.graph, dict(zip(placeholders, values[at + 1 :], strict=True)), op.graph, inner)
