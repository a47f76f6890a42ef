"""Exactly the points you name.

What a click on a picture asks for.
"""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array, Points, missing

BLIND = True  # no value is looked at
NAMED = True  # whoever asks knows every point already


def ask(points: Points, n: int, *, at: tuple[float, ...] = (0.5,)) -> Array:
    """Those of the named points that are not done; `at` is the list of coordinates, point after point. (≤ n, d)."""
    d = points.coords.shape[1]
    return missing(np.array(at, dtype=np.float64).reshape(-1, d), points.coords)[:n]


def left(points: Points, *, at: tuple[float, ...] = (0.5,)) -> int:
    """How many of the named points are not done."""
    return len(ask(points, len(at), at=at))
