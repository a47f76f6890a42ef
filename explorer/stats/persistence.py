"""Minima of a measured surface and the passes between them: the merge tree of a grid of two dimensions (explorer.stats.merge_tree), by row and column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from explorer.core.points import Array
from explorer.stats.merge_tree import MergeTree, merge_tree
from explorer.stats.neighbour_graph import grid

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

    >>> import numpy as np
    >>> [(m.cell, m.birth, m.death) for m in minima(np.array([[1.0, 5.0, 0.0, 7.0]]))]
    [((0, 2), 0.0, inf), ((0, 0), 1.0, 5.0)]
    """
    if surface.ndim != 2:
        raise ValueError(f"Expected a surface of shape (ny, nx), got {surface.shape}.")
    return listed(merge_tree(grid(surface.shape, diagonals=neighbours == 8), surface.ravel()), surface.shape[1])


def listed(tree: MergeTree, nx: int) -> list[Minimum]:
    """The minima of a tree over a grid whose rows have nx cells."""
    return [
        Minimum(divmod(low, nx), birth, death, divmod(saddle, nx), into) if into >= 0 else Minimum(divmod(low, nx), birth)
        for low, birth, death, saddle, into in zip(
            tree.lowest.tolist(), tree.births.tolist(), tree.deaths.tolist(), tree.saddles.tolist(), tree.into.tolist(), strict=True
        )
    ]


def simplified(found: Sequence[Minimum], threshold: float) -> list[Minimum]:
    """The minima whose persistence is above the threshold, in their order. What they go into is among them, as it is more persistent."""
    return [m for m in found if m.persistence > threshold]
