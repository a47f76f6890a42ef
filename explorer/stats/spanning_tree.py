"""Many models and the barriers between them: the spanning tree of lowest barriers, and what has to be climbed on the way from one to another.

Draxler et al. 2018, "Essentially No Barriers in Neural Network Energy Landscape": of all connections between minima, those of the minimum
spanning tree are enough to go from each to each by the lowest passes. The highest edge on the tree's way between two models is the lowest maximum that
any way along measured lines has (the minimax property of a minimum spanning tree).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from explorer.core.points import Array


class Edge(NamedTuple):
    """A line between model i and model j, i < j, and the barrier on it."""

    i: int
    j: int
    height: float


def spanning_tree(heights: Array) -> list[Edge]:
    """(n, n) symmetric barriers → the edges of the minimum spanning tree, lowest first; ties by the models' numbers.

    NaN: not known, no edge. Where the known edges do not join all models, the trees of the parts. Only the upper triangle is read.
    """
    n = len(heights)
    rows, columns = np.nonzero(np.triu(np.isfinite(heights), 1))
    order = np.argsort(heights[rows, columns], kind="stable")  # rows and columns rise already
    part = np.arange(n)
    tree: list[Edge] = []
    for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True):  # Kruskal 1956
        a, b = part[i], part[j]
        if a != b:
            tree.append(Edge(i, j, float(heights[i, j])))
            part[part == b] = a
            if len(tree) == n - 1:
                break
    return tree


def passes(tree: list[Edge], n: int) -> Array:
    """(n, n) the highest edge on the tree's way from each model to each: inf where none leads there, 0 from each to itself."""
    highest = np.full((n, n), np.inf)
    np.fill_diagonal(highest, 0.0)
    part = np.arange(n)
    for edge in sorted(tree, key=lambda e: e.height):
        a, b = part == part[edge.i], part == part[edge.j]
        highest[np.ix_(a, b)] = highest[np.ix_(b, a)] = edge.height
        part[b] = part[edge.i]
    return highest


def basins(tree: list[Edge], n: int, threshold: float) -> list[list[int]]:
    """Groups of models that are joined by edges no higher than the threshold, each in order, by their first model."""
    highest = passes(tree, n)
    joined = (highest <= threshold) & np.isfinite(highest)
    np.fill_diagonal(joined, True)
    found: list[list[int]] = []
    for k in range(n):
        if not any(k in group for group in found):
            found.append([int(j) for j in np.flatnonzero(joined[k])])
    return found
