"""One typing rule per ATen operator: what it says about the axes of its inputs and outputs.

The graph is the undecomposed one of torch.export, so `linear`, `layer_norm`, `scaled_dot_product_attention` are single nodes. An operator without a
rule, or in a form that its rule does not know, pins everything it touches, and is reported; a mistake in a rule raises.

A rule is one function, in whichever of these files it belongs to:

    @rule("linear")
    def linear(op: Operation, input: Type, weight: Type, bias: Type | None = None) -> Value:
        unify(input[-1], weight[-1])
        ...
        return [*input[:-1], weight[0]]

Code that brings an operator of its own brings its rule the same way, `@rule("library::operator")`, where it defines the operator.
"""

from __future__ import annotations

from explorer.symmetry.rules import distances, elementwise, norms, parts, pixels, products, recurrent, shapes  # each registers its rules
from explorer.symmetry.rules.operation import Graph, NotUnderstood, OnlyShape, Operation, Stacked, Type, Value, tensors
from explorer.symmetry.rules.registry import RULES, rule
from explorer.symmetry.rules.walk import infer

__all__ = [
    "RULES", "Graph", "NotUnderstood", "OnlyShape", "Operation", "Stacked", "Type", "Value", "distances", "elementwise", "infer", "norms", "parts", "pixels", "products", "recurrent", "rule",
    "shapes", "tensors",
]  # fmt: skip
