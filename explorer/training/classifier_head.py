"""The head of a classifier: the parameters of its last layer, whose outputs are the classes."""

from __future__ import annotations

from explorer.core.errors import Refused
from explorer.problems.problem import Problem


def last_layer(problem: Problem) -> frozenset[str]:
    """Names of the parameters of the last layer that has weights of its own. Refused when it is not linear."""
    named = problem.parameters()
    layer = named[-1].rpartition(".")[0]
    shapes = problem.shapes()
    found = frozenset(name for name in named if name.rpartition(".")[0] == layer)
    if not any(len(shapes[name]) == 2 for name in found):
        raise Refused(f"The last layer with weights of its own here is {layer!r}, which is not linear. Choose a network that ends in a linear layer.")
    return found


def head_of(problem: Problem) -> frozenset[str]:
    """The last layer where it is the head of the problem's classes. Refused when it has not one output for each class."""
    found, classes, shapes = last_layer(problem), len(problem.classes), problem.shapes()
    if any(shapes[name][0] != classes for name in found):
        raise Refused(
            f"The last layer here has not one output for each of the {classes} classes. Choose a problem with classes, and a network for it."
        )
    return found
