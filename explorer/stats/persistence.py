"""Minima of a measured surface and the passes between them: 0-dimensional persistence and its merge tree.

A surface is flooded from below. At the value of a local minimum a lake is born; where two lakes meet, at a saddle, the one whose minimum is less
deep dies and goes on as part of the other (the elder rule). Persistence = death − birth is how far one has to climb to leave a minimum for a deeper
one. What the lakes are, and into which each goes, is the merge tree.

Edelsbrunner, Letscher & Zomorodian 2002, "Topological Persistence and Simplification"; Edelsbrunner & Harer 2010, "Computational Topology".
Cells in order of their value, joined by union-find: O(K log K) for K cells.

Cohen-Steiner, Edelsbrunner & Harer 2007, "Stability of Persistence Diagrams": where every value is off by at most e, a birth or a death is off by
at most e, and minima with a persistence above 2e are real. A grid knows nothing of what lies between its cells, and a surface is a section of
weight space: what is a minimum in it need not be one, and a pass around it may lie outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from explorer.core.points import Array

Cell: TypeAlias = tuple[int, int]
"""(row, column) of the grid."""


class Minimum(NamedTuple):
    """A local minimum of the surface; a flat one is where its first cell lies, row by row.

    birth: its value. death: the value of the `saddle` at which its lake meets that of a deeper minimum, number `into` of the list; inf, None and None
    when there is none.
    """

    cell: Cell
    birth: float
    death: float = float("inf")
    saddle: Cell | None = None
    into: int | None = None

    @property
    def persistence(self) -> float:
        """How far one has to climb to get to a deeper minimum; inf where there is none."""
        return self.death - self.birth


def minima(surface: Array, *, neighbours: Literal[4, 8] = 8) -> list[Minimum]:
    """(ny, nx) values → all minima, the most persistent first, the deepest of them before the others. What is not finite is not there.

    neighbours: 4 joins cells that share a side, 8 also those that share a corner. Of equal cells that which comes first, row by row, counts as lower.
    Parts of the surface that are not joined have a minimum each that never dies.

    >>> [(m.cell, m.birth, m.death) for m in minima(np.array([[1.0, 5.0, 0.0, 7.0]]))]
    [((0, 2), 0.0, inf), ((0, 0), 1.0, 5.0)]
    """
    if surface.ndim != 2:
        raise ValueError(f"Expected a surface of shape (ny, nx), got {surface.shape}.")
    ny, nx = surface.shape
    value = surface.astype(np.float64).ravel()
    order = np.argsort(value, kind="stable")
    order = order[np.isfinite(value[order])]
    rank = np.full(value.size, value.size)
    rank[order] = np.arange(len(order))  # a total order: by value, then by place
    parent = np.full(value.size, -1)
    end_of: dict[int, tuple[int, int]] = {}  # lowest cell of a lake that died → (its saddle, lowest cell of the lake it went into)
    lowest: list[int] = []
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1)] + ([(-1, -1), (-1, 1), (1, -1), (1, 1)] if neighbours == 8 else [])
    for cell in order.tolist():
        parent[cell] = cell
        row, column = divmod(cell, nx)
        beside = [(row + i) * nx + column + j for i, j in steps if 0 <= row + i < ny and 0 <= column + j < nx]
        lakes = sorted({_root(parent, b) for b in beside if rank[b] < rank[cell]}, key=lambda lake: rank[lake])
        if not lakes:
            lowest.append(cell)
            continue
        parent[cell] = lakes[0]  # the root of a lake is its lowest cell
        for lake in lakes[1:]:
            parent[lake] = lakes[0]
            end_of[lake] = (cell, lakes[0])
    # A flat bottom that is not flooded in one piece dies where it is born: no minimum. Nothing that is kept went into it: that would be as flat.
    kept = [m for m in lowest if m not in end_of or value[end_of[m][0]] > value[m]]
    kept.sort(key=lambda m: (-(value[end_of[m][0]] - value[m]) if m in end_of else -np.inf, rank[m]))
    number = {m: i for i, m in enumerate(kept)}
    found: list[Minimum] = []
    for m in kept:
        if m in end_of:
            saddle, into = end_of[m]
            found.append(Minimum(divmod(m, nx), float(value[m]), float(value[saddle]), divmod(saddle, nx), number[into]))
        else:
            found.append(Minimum(divmod(m, nx), float(value[m])))
    return found


def simplified(found: Sequence[Minimum], threshold: float) -> list[Minimum]:
    """The minima whose persistence is above the threshold, in their order. What they go into is among them, as it is more persistent."""
    return [m for m in found if m.persistence > threshold]


def _root(parent: NDArray[np.int64], cell: int) -> int:
    """The lowest cell of the lake; the way there is halved on the way (path halving, Tarjan & van Leeuwen 1984)."""
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = int(parent[cell])
    return cell
