"""Which of some points are neighbours, so that a sampled function has minima and passes: on a grid, and among scattered points.

grid      points that differ by one step along one axis; with `diagonals`, by one step along any of them
nearest   each point and the k nearest to it
gabriel   two points where the smallest ball that holds both holds no other (Gabriel & Sokal 1969). The shortest spanning tree is part of it, so it
          joins all points, in any number of dimensions; on a grid it is that without diagonals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from explorer.core.points import Array

ROUNDING = 1e-9  # share of a length by which a point must lie inside of a ball to be in it
CANDIDATES = 24  # neighbours for each dimension among which those of the Gabriel graph are looked for


@dataclass(frozen=True, eq=False)
class Graph:
    """n points and their E pairs of neighbours. pairs: (E, 2), each once; lengths: (E,) distances between the two."""

    n: int
    pairs: NDArray[np.int64]
    lengths: Array


def grid(shape: Sequence[int], *, diagonals: bool = False, spacing: Sequence[float] | None = None) -> Graph:
    """The points of an array of this shape in its flattened order. spacing: the step along each axis, 1 unless given.

    >>> grid((2, 2)).pairs.tolist(), grid((2, 2), diagonals=True).lengths.round(2).tolist()
    ([[0, 2], [1, 3], [0, 1], [2, 3]], [1.41, 1.0, 1.0, 1.41, 1.0, 1.0])
    """
    number = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    step = np.ones(len(shape)) if spacing is None else np.asarray(spacing, dtype=np.float64)
    ways = [way for way in product((-1, 0, 1), repeat=len(shape)) if next((w for w in way if w), 0) == 1]  # of two opposite ones, one
    ways = [way for way in reversed(ways) if diagonals or sum(map(abs, way)) == 1]
    pairs, lengths = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for way in ways:
        here = number[tuple(slice(max(-w, 0), size - max(w, 0)) for w, size in zip(way, shape, strict=True))]
        there = number[tuple(slice(max(w, 0), size - max(-w, 0)) for w, size in zip(way, shape, strict=True))]
        pairs.append(np.stack([here.ravel(), there.ravel()], axis=1))
        lengths.append(np.full(here.size, float(np.linalg.norm(step * way))))
    return Graph(number.size, np.concatenate(pairs), np.concatenate(lengths))


def nearest(coords: Array, k: int) -> Graph:
    """(n, d) places → each joined with the k that are nearest to it; of two, one may be among the nearest of the other alone."""
    if coords.ndim != 2 or k < 1:
        raise ValueError(f"Expected places of shape (n, d) and one neighbour or more, got {coords.shape} and {k}.")
    n = len(coords)
    if n < 2:
        return Graph(n, np.empty((0, 2), np.int64), np.empty(0))
    asked = min(k, n - 1) + 1  # it is among them itself
    _, beside = KDTree(coords).query(coords, k=asked)
    pairs = np.stack([np.repeat(np.arange(n), asked), np.ravel(beside)], axis=1)
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0).astype(np.int64)
    return Graph(n, pairs, np.linalg.norm(coords[pairs[:, 0]] - coords[pairs[:, 1]], axis=1))


def gabriel(coords: Array) -> Graph:
    """(n, d) places → the Gabriel graph, its edges looked for among each place's nearest. What lies on the surface of a ball is in it."""
    near = nearest(coords, CANDIDATES * coords.shape[1])
    if not len(near.pairs):
        return near
    middle = coords[near.pairs].mean(axis=1)
    distance, which = KDTree(coords).query(middle, k=min(3, near.n))
    other = (which != near.pairs[:, :1]) & (which != near.pairs[:, 1:])
    inside = (other & (distance <= (0.5 + ROUNDING) * near.lengths[:, None])).any(axis=1)
    return Graph(near.n, near.pairs[~inside], near.lengths[~inside])
