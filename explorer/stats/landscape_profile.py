"""A measured function of any number of coordinates as the profile of a terrain that has its merge tree: what it looks like where only heights and volumes count.

Each lake of the flooded function is a valley, at every height as wide as it has points up to there. Where two lakes meet, their valleys lie side by side with the
pass as the ridge between them, and above it they are one, which widens on both sides alike. So depths, passes, and how much of the function lies
below any height are read off, however many coordinates there are; where something lies is not in it.

Weber, Bremer & Pascucci 2007, "Topological Landscapes: A Terrain Metaphor for Scientific Data", with the areas of a terrain; of profiles Oesterling et al. 2013,
"Computing and Visualizing Time-Varying Merge Trees for High-Dimensional Data".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.core.points import Array
from explorer.stats.merge_tree import MergeTree

FINE = 64  # places along each side of a valley between two passes


@dataclass(frozen=True, eq=False)
class Profile:
    """The terrain of M minima, from left to right.

    x, y: (P,) places, as shares of the points, and heights; NaN between parts that no point joins. valley: (P,) the minimum whose valley a place belongs to, up
    to where its lake first meets another; −1 above. bottom: (M,) where each minimum lies.
    """

    x: Array
    y: Array
    valley: NDArray[np.int64]
    bottom: Array


@dataclass
class _Lake:
    """What is flooded of a lake, with places from its own left edge."""

    x: Array
    y: Array
    valley: NDArray[np.int64]
    wide: float


def profile(tree: MergeTree, values: Array) -> Profile:
    """(n,) values at the points, and their tree → its terrain. What goes into a minimum lies right of it, lowest pass first.

    >>> from explorer.stats.merge_tree import merge_tree
    >>> from explorer.stats.neighbour_graph import grid
    >>> values = np.array([1.0, 5.0, 0.0, 7.0])
    >>> terrain = profile(merge_tree(grid((4,)), values), values)
    >>> [round(at, 3) for at in terrain.bottom.tolist()], float(terrain.y.max())
    ([0.375, 0.625], 7.0)
    """
    branch = _branches(tree, values)
    heights = [np.sort(values[branch == i]) for i in range(len(tree))]
    lakes: dict[int, _Lake] = {}
    for i in np.lexsort((np.arange(len(tree)), tree.deaths)).tolist():  # what goes into another is whole before that one goes on
        mine = np.flatnonzero(tree.into == i)
        lowest_first = mine[np.argsort(tree.deaths[mine], kind="stable")].tolist()
        lakes[i] = _flooded(i, heights[i], [(float(tree.deaths[k]), lakes.pop(k)) for k in lowest_first])
    parts = [lakes[i] for i in sorted(lakes)]
    total = max(sum(part.wide for part in parts), 1.0)
    x, y, valley, left = [], [], [], 0.0
    for part in parts:
        x += [part.x + left, [np.nan]]
        y += [part.y, [np.nan]]
        valley += [part.valley, [-1]]
        left += part.wide
    if not parts:
        return Profile(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), np.empty(0))
    places, ups, owners = np.concatenate(x)[:-1] / total, np.concatenate(y)[:-1], np.concatenate(valley)[:-1].astype(np.int64)
    lowest = [np.flatnonzero(owners == i) for i in range(len(tree))]
    bottom = np.array([places[mine[ups[mine] == tree.births[i]]].mean() for i, mine in enumerate(lowest)])
    return Profile(places, ups, owners, bottom)


def _branches(tree: MergeTree, values: Array) -> NDArray[np.int64]:
    """(n,) the lake that each point is in when the water reaches it, by its deepest minimum; −1 where there is no value."""
    found = tree.basin.copy()
    while (over := (found >= 0) & (values >= np.append(tree.deaths, np.inf)[found])).any():
        found[over] = tree.into[found[over]]
    return found


def _flooded(number: int, heights: Array, joined: list[tuple[float, _Lake]]) -> _Lake:
    """A lake with the (k,) rising heights of its own points and the lakes that go into it, each at the height of its pass, lowest first."""
    lake, start = _Lake(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), 0.0), 0
    for n, (height, other) in enumerate(joined):
        end = int(np.searchsorted(heights, height))
        lake = _wider(lake, heights[start:end], number if n == 0 else -1)
        ridge = ([lake.wide], [height], [-1])
        x, y, valley = ([a, r, b] for a, r, b in zip(_parts(lake), ridge, _parts(other, lake.wide), strict=True))
        lake = _Lake(np.concatenate(x), np.concatenate(y), np.concatenate(valley).astype(np.int64), lake.wide + other.wide)
        start = end
    return _wider(lake, heights[start:], -1 if joined else number)


def _parts(lake: _Lake, right: float = 0.0) -> tuple[Array, Array, NDArray[np.int64]]:
    return lake.x + right, lake.y, lake.valley


def _wider(lake: _Lake, heights: Array, number: int) -> _Lake:
    """The same after more points, rising, half of them on either side."""
    if not (k := len(heights)):
        return lake
    chosen = np.unique(np.linspace(0, k - 1, min(k, FINE)).round().astype(int))
    side = heights[chosen]
    left = (k - 1 - chosen) / 2
    mine = np.full(len(chosen), number)
    return _Lake(
        np.concatenate([left[::-1], lake.x + k / 2, lake.wide + k - left]),
        np.concatenate([side[::-1], lake.y, side]),
        np.concatenate([mine, lake.valley, mine]),
        lake.wide + k,
    )
