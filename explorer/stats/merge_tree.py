"""The merge tree of a sampled function: its minima, the passes between them, and their basins, in any number of dimensions.

The function is flooded from below. At the value of a local minimum a lake is born; where two lakes meet, at a saddle, the one whose minimum is less
deep dies and goes on as part of the other (the elder rule). Persistence = death − birth is how far one has to climb to leave a minimum for a deeper
one. What the lakes are, and into which each goes, is the merge tree. Of the maxima: that of the function's negative.

Edelsbrunner, Letscher & Zomorodian 2002, "Topological Persistence and Simplification"; Edelsbrunner & Harer 2010, "Computational Topology". A
minimum's basin is what runs down to it, always to the steepest lower neighbour: the descending cells of the Morse–Smale complex (Edelsbrunner, Harer &
Zomorodian 2003). Every point is joined with its minimum by points that are lower, so lakes meet where basins touch: the points are sorted and
divided into basins by array operations, and only pairs of basins that touch go through union-find. O(E log E) for E pairs of neighbours.

Cohen-Steiner, Edelsbrunner & Harer 2007, "Stability of Persistence Diagrams": where every value is off by at most e, a birth or a death is off by
at most e, and minima with a persistence above 2e are real. Samples know nothing of what lies between them, and a picture is a section of
weight space: what is a minimum in it need not be one, and a pass around it may lie outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.core.points import Array
from explorer.stats.neighbour_graph import Graph


@dataclass(frozen=True, eq=False)
class MergeTree:
    """M minima, the most persistent first, the deepest of them before the others.

    lowest: (M,) which point each is; births: (M,) its value. deaths: (M,) value of the saddle at which its lake meets that of a deeper minimum, inf where
    there is none; saddles, into: (M,) which point the saddle is, and which minimum the deeper one; −1 where there is none. basin: (n,) to which minimum each point
    runs down; −1 where there is no value.
    """

    lowest: NDArray[np.int64]
    births: Array
    deaths: Array
    saddles: NDArray[np.int64]
    into: NDArray[np.int64]
    basin: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lowest)

    @property
    def persistence(self) -> Array:
        """(M,) how far one has to climb to get to a deeper minimum; inf where there is none."""
        return self.deaths - self.births

    def pass_between(self, i: int, j: int) -> float:
        """The lowest height over which one gets from minimum i to minimum j; inf where no way leads there."""
        height = -np.inf
        while i != j:
            if self.deaths[i] > self.deaths[j]:
                i, j = j, i
            height = float(self.deaths[i])
            if self.into[i] < 0:
                return float("inf")
            i = int(self.into[i])
        return height

    def meetings(self) -> tuple[Array, NDArray[np.int64]]:
        """(M,) the height at which the lake of each minimum first meets another, deeper or not, and (M,) which point that is; inf and −1 where it meets none."""
        height, at = self.deaths.copy(), self.saddles.copy()
        for i in np.flatnonzero(self.into >= 0):
            j = self.into[i]
            if self.deaths[i] < height[j]:
                height[j], at[j] = self.deaths[i], self.saddles[i]
        return height, at

    def kept(self, which: Sequence[int] | NDArray[np.intp]) -> MergeTree:
        """The tree of some of the minima alone, in this order; lakes and basins of the others belong to what these went into. Passes stay as they are."""
        number = np.full(len(self), -1)
        number[which] = np.arange(len(which))
        heir = np.arange(len(self))
        while (lost := (number[heir] < 0) & (self.into[heir] >= 0)).any():
            heir[lost] = self.into[heir[lost]]
        into = self.into[which]
        basin = np.append(number[heir], -1)[self.basin]  # −1 is the last
        return MergeTree(
            self.lowest[which],
            self.births[which],
            self.deaths[which],
            self.saddles[which],
            np.where(into >= 0, number[heir[into]], -1),
            basin,
        )

    def simplified(self, threshold: float) -> MergeTree:
        """The tree of the minima whose persistence is above the threshold."""
        return self.kept(np.flatnonzero(self.persistence > threshold))

    def volumes(self) -> Array:
        """(M,) share of the points that lie in each basin."""
        inside = self.basin[self.basin >= 0]
        return np.bincount(inside, minlength=len(self)) / max(len(inside), 1)


def merge_tree(graph: Graph, values: Array) -> MergeTree:
    """(n,) values at the graph's points → their merge tree. What is not finite is not there.

    Of equal values that which comes first counts as lower. Parts that are not joined have a minimum each that never dies.

    >>> from explorer.stats.neighbour_graph import grid
    >>> tree = merge_tree(grid((4,)), np.array([1.0, 5.0, 0.0, 7.0]))
    >>> tree.lowest.tolist(), tree.births.tolist(), tree.deaths.tolist(), tree.basin.tolist()
    ([2, 0], [0.0, 1.0], [inf, 5.0], [1, 0, 0, 0])
    """
    if values.shape != (graph.n,):
        raise ValueError(f"Expected one value for each of {graph.n} points, got an array of shape {values.shape}.")
    value = values.astype(np.float64)
    order = np.argsort(value, kind="stable")
    order = order[np.isfinite(value[order])]
    rank = np.full(graph.n, graph.n)
    rank[order] = np.arange(len(order))  # a total order: by value, then by place
    there = np.isfinite(value[graph.pairs]).all(axis=1)
    pairs, lengths = graph.pairs[there], graph.lengths[there]
    up = rank[pairs[:, 0]] > rank[pairs[:, 1]]
    high, low = np.where(up, pairs[:, 0], pairs[:, 1]), np.where(up, pairs[:, 1], pairs[:, 0])
    down = _bottoms(graph.n, high, low, (value[high] - value[low]) / lengths, rank)
    end_of = _meetings(down, high, low, rank, order)
    lowest = order[down[order] == order]
    # A flat bottom that is not flooded in one piece dies where it is born: no minimum. Nothing that is kept went into it: that would be as flat.
    flat = {m: into for m, (saddle, into) in end_of.items() if value[saddle] <= value[m]}
    kept = [m for m in lowest.tolist() if m not in flat]
    kept.sort(key=lambda m: (-(value[end_of[m][0]] - value[m]) if m in end_of else -np.inf, rank[m]))
    number = np.full(graph.n + 1, -1)
    number[kept] = np.arange(len(kept))
    for m in sorted(flat, key=lambda m: rank[m]):
        number[m] = number[flat[m]]  # what it went into is lower, and has its number
    saddles = np.array([end_of[m][0] if m in end_of else -1 for m in kept], dtype=np.int64)
    into = np.array([number[end_of[m][1]] if m in end_of else -1 for m in kept], dtype=np.int64)
    deaths = np.where(saddles >= 0, value[saddles], np.inf) if len(kept) else np.empty(0)
    at = np.array(kept, dtype=np.int64)
    return MergeTree(at, value[at], deaths, saddles, into, np.where(np.isfinite(value), number[down], -1))


def _bottoms(n: int, high: NDArray[np.int64], low: NDArray[np.int64], slope: Array, rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the minimum that each point runs down to, by the steepest way."""
    first = np.lexsort((rank[low], -slope, high))
    first = first[np.concatenate([[True], np.diff(high[first]) > 0])] if len(first) else first
    down = np.arange(n)
    down[high[first]] = low[first]
    while (further := down[down]).tobytes() != down.tobytes():
        down = further
    return down


def _meetings(
    down: NDArray[np.int64], high: NDArray[np.int64], low: NDArray[np.int64], rank: NDArray[np.int64], order: NDArray[np.int64]
) -> dict[int, tuple[int, int]]:
    """Minimum of each lake that dies → (its saddle, the minimum of the lake that it goes into)."""
    crossing = down[high] != down[low]
    a, b = np.sort(np.stack([down[high], down[low]])[:, crossing], axis=0)
    saddle = rank[high[crossing]]
    by_saddle = np.argsort(saddle, kind="stable")
    _, first = np.unique(a[by_saddle] * np.int64(len(down)) + b[by_saddle], return_index=True)
    touching = by_saddle[np.sort(first)]  # of each two basins the lowest place where they touch; lowest first
    parent: dict[int, int] = {}

    def root(m: int) -> int:
        """The lowest point of the lake; the way there is halved on the way (path halving, Tarjan & van Leeuwen 1984)."""
        while (above := parent.get(m, m)) != m:
            parent[m] = parent.get(above, above)
            m = parent[m]
        return m

    end_of: dict[int, tuple[int, int]] = {}
    start, heights, one, other = 0, saddle[touching].tolist(), a[touching].tolist(), b[touching].tolist()
    while start < len(heights):
        end = start + 1
        while end < len(heights) and heights[end] == heights[start]:
            end += 1
        lakes = {root(m) for m in (*one[start:end], *other[start:end])}  # all that meet at this saddle
        deepest = min(lakes, key=lambda m: rank[m])
        for lake in lakes - {deepest}:
            parent[lake] = deepest
            end_of[lake] = (int(order[heights[start]]), deepest)
        start = end
    return end_of
