"""The head of a classifier: the parameters of its last layer, whose outputs are the classes."""

from __future__ import annotations

from explorer.errors import Refused
from explorer.problem import Problem


def head_of(problem: Problem) -> frozenset[str]:
    """Names of the head's parameters. Refused when the last layer has not one output for each class, or shares its weights with another layer."""
    named = [name for name, _ in problem.network().named_parameters()]
    layer = named[-1].rpartition(".")[0]
    shapes = problem.shapes()
    found = frozenset(name for name in named if name.rpartition(".")[0] == layer)
    if any(shapes[name][0] != len(problem.classes) for name in found) or not any(len(shapes[name]) == 2 for name in found):
        raise Refused(
            f"The last layer with weights of its own here is {layer!r}, and it is no linear layer with one output for each of the"
            f" {len(problem.classes)} classes. Choose a network that ends in such a layer."
        )
    return found
