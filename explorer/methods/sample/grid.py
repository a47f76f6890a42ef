"""Evenly spaced points, coarse to fine.

The points come in the order of the van der Corput sequence (ends, middle, quarters, …), so that a picture has its shape
early; stopping at any time leaves an almost even grid.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from explorer.core.points import Array, Points, missing
from explorer.core.registry import Range

BLIND = True  # no value is looked at


def ask(points: Points, n: int, *, size: Annotated[int, Range(2, 1001)] = 25) -> Array:
    """The next n of the size^d points of the unit cube's grid that are not done. (≤ n, d); empty: finished."""
    d = points.coords.shape[1]
    axis = np.linspace(0.0, 1.0, size)[_coarse_to_fine(size)]
    rank = np.stack(np.meshgrid(*[np.arange(size)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    rank = rank[np.argsort(rank.max(axis=1), kind="stable")]
    return missing(axis[rank], points.coords)[:n]


def left(points: Points, *, size: int = 25) -> int:
    """How many of the grid's points are not done."""
    return len(ask(points, size ** points.coords.shape[1], size=size))


def _coarse_to_fine(size: int) -> list[int]:
    """0 … size−1, both ends first, then always the middle of the widest gap."""
    order, gaps = [0, size - 1], [(0, size - 1)]
    while gaps:
        finer: list[tuple[int, int]] = []
        for low, high in gaps:
            if high - low > 1:
                middle = (low + high) // 2
                order.append(middle)
                finer += [(low, middle), (middle, high)]
        gaps = finer
    return order
