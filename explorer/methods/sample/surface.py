"""As few points as a picture needs: a coarse grid, then only where it is wrong, then held-out points that estimate the remaining error.

For planes. Local refinement by hierarchical surplus (Griebel 1998, "Adaptive sparse grid multilevel methods for elliptic PDEs based on finite
differences"; Bungartz & Griebel 2004, "Sparse grids") on the splines of explorer.stats.sparse_grid_surrogate:

1. A coarse grid, start × start, coarse to fine, and 64 exploration points, one at random in each part of the square.
2. A cell is halved when a measured point in it or on its border differs from the prediction that does not use it, or when the last halving brought
   such a surprise that the next one would too (SHRINK times the difference then). What counts is a difference of log-loss larger than `tolerance` and
   than its own standard error over blocks. Again, down to `finest`. Worst places first.
3. 64 random points more are held out: nothing is refined for them. explorer.stats.sparse_grid_surrogate makes the certificate of it.

Points of other samplers and clicks count in step 2 wherever they are. A diverged region is not refined, its border is. A loss that is not positive
somewhere is compared as it is instead of by its logarithm; `tolerance` is then in its own units. The tolerance is that of single points: the rms
difference of the whole picture comes out below it. What this cannot see is a feature that lies between all points; the certificate bounds its size.
On a surface that is equally rough everywhere no place is better than another, and an even grid is as good.

Each point is measured on all samples of its field. Racing them was tried (benchmarks/racing.py). Fewer samples where a value is known well enough gain
nothing at the same rms (0.85 to 1.03 times): where a loss is high it scatters as much from sample to sample. Racing what is left over a prediction of
every block by the coarser levels takes 1.0 to 1.2 times fewer on the digits' 539 samples, 1.3 to 1.7 times fewer on Fashion-MNIST's 10,000. But then blocks
that nobody measured would stand beside those that somebody did, and the paired intervals, which draw blocks, would be too narrow.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array, Points, rounded
from explorer.core.registry import Range
from explorer.methods.sample import grid
from explorer.stats.sparse_grid_surrogate import (
    Lattice,
    Level,
    Mask,
    Nodes,
    closed_cells,
    every,
    fresh,
    in_refined_cell,
    levels,
    nodes_of,
    on_lattice,
    panel,
    predicted,
    signals,
)

SHRINK = 1 / 16  # how much smaller the next difference is; 1/16 for four times differentiable surfaces, 1/2 at a kink
AXES = 2  # the number of coordinates that it works with


def ask(
    points: Points,
    n: int,
    *,
    start: Literal[5, 9, 17, 33] = 9,
    finest: Literal[17, 33, 65, 129, 257] = 65,
    tolerance: Annotated[float, Range(0.0001, 1)] = 0.01,
    budget: Annotated[int, Range(25, 66049)] = 1000,
) -> Array:
    """The next points; of the budget, the held-out points' share is kept for it. (≤ n, d); empty: finished. Refused unless `finest` is finer than `start`."""
    if start >= finest:
        raise Refused(f"A grid of {start} points a side cannot be refined to {finest}. Choose a smaller start or a larger finest grid.")
    if (d := points.coords.shape[1]) > 2:
        raise Refused(f"A surface has two coordinates, and there are {d} here. Use sample/grid, which takes any number.")
    room = budget - _inside(points)
    if len(todo := grid.ask(points, start**d, size=start)) or room <= 0:
        return todo[: max(0, min(n, room))]
    lattice = on_lattice(points, finest)
    exploration, held_out = panel(finest, d)
    if len(absent := exploration[~lattice.known[tuple(exploration.T)]]):
        return rounded(absent[: min(n, room)] / (finest - 1))
    unmeasured = held_out[~in_refined_cell(lattice.known)[tuple(held_out.T)]]
    wrong = _wrong(points, lattice.without(unmeasured), lattice.known, start, tolerance)
    absent = held_out[~lattice.known[tuple(held_out.T)]]
    spare = max(0, room - len(absent))
    return rounded((wrong[:spare] if len(wrong) and spare else absent[:room])[:n] / (finest - 1))


def left(
    points: Points, *, start: Literal[5, 9, 17, 33] = 9, finest: Literal[17, 33, 65, 129, 257] = 65, tolerance: float = 0.01, budget: int = 1000
) -> int:
    """The most points it may still ask for: what is left of the budget, or of the finest grid."""
    if not len(ask(points, 1, start=start, finest=finest, tolerance=tolerance, budget=budget)):
        return 0
    _, on = nodes_of(points.coords, finest)
    return min(budget - _inside(points), finest ** points.coords.shape[1] - int(on.sum()))


def _inside(points: Points) -> int:
    return int(((points.coords >= 0) & (points.coords <= 1)).all(axis=1).sum())


def _wrong(points: Points, lattice: Lattice, known: Mask, start: int, tolerance: float) -> Nodes:
    """(K, d) missing nodes of the first level of the refinement that is not all measured, worst first.

    `lattice` is what may be looked at, `known` what needs no measuring.
    """
    d, last = known.ndim, lattice.size - 1
    clicks, seen = _clicks(points, lattice)
    step = last // (start - 1)
    active = np.ones((start - 1,) * d, dtype=bool)
    while step > 1:
        chain = levels(lattice, step)
        score = np.where(active, _scores(lattice, chain, clicks, seen, tolerance), -np.inf)
        if not (score >= 0).any():
            break
        step //= 2
        node = np.full((len(active) * 2 + 1,) * d, -np.inf)
        for corner in np.ndindex(*(3,) * d):
            view = node[tuple(slice(i, i + 2 * len(active) - 1, 2) for i in corner)]
            np.maximum(view, score, out=view)
        wanted = (node >= 0) & fresh(len(node), 2, d)
        if len(todo := np.argwhere(wanted & ~known[every(step, d)])):
            worst = node[tuple(todo.T)]
            return todo[np.lexsort((*todo.T[::-1], -worst))] * step
        active = score >= 0
        for axis in range(d):
            active = active.repeat(2, axis=axis)
    return np.empty((0, d), dtype=np.intp)


def _clicks(points: Points, lattice: Lattice) -> tuple[Array, Array]:
    """(K, d) coordinates inside the square that are no nodes, and what is known there, (K, 1 + C)."""
    _, on = nodes_of(points.coords, lattice.size)
    free = ~on & ((points.coords >= 0) & (points.coords <= 1)).all(axis=1)
    # Of all points: whether logarithms are taken must not depend on which of them lie on the lattice.
    values, _ = signals(points)
    return points.coords[free], values[free]


def _scores(lattice: Lattice, chain: list[Level], clicks: Array, seen: Array, tolerance: float) -> Array:
    """For each cell of the last level, how wrong the prediction is there: −∞ where it is fine, 0 where a diverged region has its border."""
    level, d = chain[-1], lattice.known.ndim
    cells = len(level.lost) - 1
    # 1. Everything measured, against the prediction at all nodes.
    bare = np.zeros_like(lattice.known)
    bare[every(level.step, d)] = lattice.known[every(level.step, d)]
    whole = levels(Lattice(lattice.values, bare, lattice.relative), 1)[-1]
    difference = _excess(lattice.values - whole.values, tolerance)
    difference[~lattice.known | whole.lost] = -np.inf
    score = closed_cells(difference, level.step)
    # 2. What the last halving was surprised by.
    if len(chain) > 1:
        surprise = SHRINK * (level.values - level.before)
        surprise[level.lost | level.lost_before | ~lattice.known[every(level.step, d)]] = 0.0
        score = np.maximum(score, closed_cells(_excess(surprise, tolerance), 1))
    # 3. Finite and diverged points in one cell.
    diverged = lattice.known & np.isnan(lattice.values[..., 0])
    border = closed_cells(diverged, level.step) & closed_cells(lattice.known & ~diverged, level.step)
    score = np.maximum(score, np.where(border, 0.0, -np.inf))
    if len(clicks):
        guess, lost = predicted(level, clicks)
        click = _excess(seen - guess, tolerance)
        click[lost != np.isnan(seen[:, 0])] = 0.0
        click[lost & np.isnan(seen[:, 0])] = -np.inf
        cell = np.minimum((clicks * cells).astype(int), cells - 1)
        np.maximum.at(score, tuple(cell.T), click)
    return score


def _excess(difference: Array, tolerance: float) -> Array:
    """(…, 1 + C) differences → (…) their size where it is above the tolerance and its standard error, else −∞."""
    size = np.abs(difference[..., 0])
    return np.where(size > np.maximum(tolerance, np.sqrt((difference[..., 1:] ** 2).sum(axis=-1))), size, -np.inf)
