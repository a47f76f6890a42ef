"""Rotary embeddings in a graph: what is turned by them takes the maps that commute with all rotations of their planes, a scaled rotation of each."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node

from explorer.symmetry.bases import Axes, Relation
from explorer.symmetry.classes import SymmetryClass
from explorer.symmetry.relations import example
from explorer.symmetry.rules.operation import arguments_of, operator_name, place, shape_of

C = SymmetryClass


def rotary(graph: torch.fx.Graph) -> tuple[dict[Node, Node], set[Node]]:
    """The sums x cos + turn(x) sin, where turn(a, b) = (−b, a), by what they turn; and what stands within them, for no other use.

    Su et al. 2021, with a frequency's plane spanned by places i and i + n/2 of the last axis, as in GPT-NeoX and Llama.
    """
    found: dict[Node, Node] = {}
    inside: set[Node] = set()
    for node in graph.nodes:
        if node.op != "call_function" or operator_name(node) != "add":
            continue
        for plain, turned_part in (node.args[:2], node.args[1::-1]):
            if not (_is(plain, "mul") and _is(turned_part, "mul")):
                continue
            for turn in turned_part.args[:2]:
                if (x := _turned(turn)) is not None and x in plain.args[:2]:
                    within_it = {plain, turned_part, turn, *turn.args[0], *turn.args[0][0].args[:1]}
                    if all(user in within_it or user is node for n in within_it for user in n.users):
                        found[node] = x
                        inside |= within_it
    return found, inside


def _is(node: Any, name: str) -> bool:
    return isinstance(node, Node) and node.op == "call_function" and operator_name(node) == name


def _turned(node: Any) -> Node | None:
    """x, where the node is cat(−x[…, n/2:], x[…, :n/2])."""
    if not _is(node, "cat") or len(node.args[0]) != 2:
        return None
    negative, first = node.args[0]
    if not (_is(negative, "neg") and _is(negative.args[0], "slice") and _is(first, "slice")):
        return None
    second = negative.args[0]
    if second.args[0] is not first.args[0]:
        return None
    rank = len(shape_of(example(first)))
    half = shape_of(example(first.args[0]))[-1] // 2
    a, b = arguments_of(first), arguments_of(second)
    last = all(place(g.get("dim", 0), rank) == rank - 1 and g.get("step", 1) == 1 for g in (a, b, {"dim": arguments_of(node).get("dim", 0)}))
    whole = shape_of(example(first))[-1] == shape_of(example(second))[-1] == half and not a.get("start") and b.get("start") == half
    return first.args[0] if last and whole else None


def rotated(op: Relation, x: Axes) -> None:
    """What goes through a rotary embedding: a scaled rotation of each plane goes through with it."""
    for i, (a, b) in enumerate(zip(x, op.out, strict=True)):
        op.same(a, b)
        if i == len(x) - 1 and len(a) == 1:
            a[0].basis.root()[0].turned = True
            op.restrict(a, C.ROTARY)
