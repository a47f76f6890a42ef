"""Evaluated points of a field as arrays: what the store hands out, and samplers, statistics and figures read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Points:
    """K points in order of evaluation.

    coords: (K, d). values: (K, M, B): for each of M metrics the *sum* over each of B blocks of samples; counts: (B,)
    the items in each block. A metric's mean is sum of values / sum of counts, and NaN stays NaN. For metrics that are
    not sums over blocks, such as a confusion matrix, values are (K, …) as measured and counts is empty.
    """

    coords: Array
    values: Array
    counts: Array

    def __len__(self) -> int:
        return len(self.coords)

    @cached_property
    def rows(self) -> dict[bytes, int]:
        """Which point stands at a place: by the bytes of its `rounded` coordinates."""
        return {row.tobytes(): i for i, row in enumerate(rounded(self.coords))}

    def means(self) -> Array:
        """(K, M) mean of each metric per item."""
        return self.values.sum(axis=2) / self.counts.sum()

    def sorted(self) -> Points:
        """The same points by rising first coordinate (then the next)."""
        order = np.lexsort(self.coords.T[::-1])
        return replace(self, coords=self.coords[order], values=self.values[order])

    def extended(self, coords: Array, values: Array) -> Points:
        """These points and some more."""
        return replace(self, coords=np.concatenate([self.coords, coords]), values=np.concatenate([self.values, values]))


def no_points(dimension: int) -> Points:
    """What is known of a field before anybody measured it."""
    return Points(np.empty((0, dimension)), np.empty((0, 0, 0)), np.empty(0))


def rounded(coords: Array) -> Array:
    """Coordinates as they are stored and compared: 12 decimals, no negative zero, so that 0.1 + 0.2 is 0.3."""
    return np.round(np.asarray(coords, dtype=np.float64), 12) + 0.0


def missing(wanted: Array, done: Array) -> Array:
    """The rows of `wanted` that `done` does not hold, in order, each once."""
    seen, fresh = set(_keys(done)), list[int]()
    for row, key in enumerate(_keys(wanted)):
        if key not in seen:
            seen.add(key)
            fresh.append(row)
    return rounded(wanted)[fresh].reshape(-1, wanted.shape[1])


def _keys(coords: Array) -> list[bytes]:
    """Of each row what it is compared by."""
    if not coords.size:
        return []
    return np.ascontiguousarray(rounded(coords)).view(np.dtype((np.void, 8 * coords.shape[1]))).ravel().tolist()
