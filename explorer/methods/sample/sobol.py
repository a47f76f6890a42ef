"""Points spread evenly over any number of dimensions: a low-discrepancy sequence, of which every beginning is spread evenly as well.

Sobol' 1967, "On the distribution of points in a cube and the approximate evaluation of integrals", scrambled (Owen 1998): SciPy's. A grid of d dimensions
has no fewer than 2^d points, and sees only as many places along an axis as it has points to a side; these all differ. More points of the same seed go on where
fewer ended. The topology of such points is that of their neighbour graph.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import numpy as np
from scipy.stats import qmc

from explorer.core.points import Array, Points, missing
from explorer.core.registry import Range

AXES = (2, 3, 4, 5, 6)  # along a line an even grid says more
BLIND = True  # no value is looked at
BITS = 30  # of a coordinate; twelve decimals are kept


def ask(points: Points, n: int, *, count: Annotated[int, Range(1, 1000000)] = 1024, seed: Annotated[int, Range(0, 2147483647)] = 0) -> Array:
    """The next n of the first `count` points of the sequence that are not done. (≤ n, d); empty: finished."""
    return missing(_sequence(points.coords.shape[1], count, seed), points.coords)[:n]


def left(points: Points, *, count: int = 1024, seed: int = 0) -> int:
    """How many of them are not done."""
    return len(ask(points, count, count=count, seed=seed))


@lru_cache(maxsize=4)
def _sequence(d: int, count: int, seed: int) -> Array:
    """(count, d) in the unit cube."""
    drawn = qmc.Sobol(d, scramble=True, bits=BITS, rng=np.random.default_rng(seed)).random_base2(int(np.ceil(np.log2(max(count, 2)))))
    found = np.asarray(drawn[:count], dtype=np.float64)
    found.setflags(write=False)
    return found
