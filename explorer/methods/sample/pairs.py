"""The straight lines between many models, each at the same few places: those of the pairs that are named, or of every pair.

For the chart `mixture`, whose coordinates are one weight for each model: the models alone are shared by all their lines, and by soups of the same models.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import numpy as np

from explorer.core.points import Array, Points, missing
from explorer.core.registry import Range
from explorer.stats.model_pairs import between, every_pair
from explorer.stats.soup_analysis import singles

AXES = "corners"  # one coordinate for each model
BLIND = True  # no value is looked at


def ask(points: Points, n: int, *, of: tuple[int, ...] = (), steps: Annotated[int, Range(2, 64)] = 2) -> Array:
    """The models, then places at k / `steps` of each line, that are not done; `of`: two models' numbers for each pair, from 0; none for every pair. (≤ n, C)."""
    return missing(_wanted(points.coords.shape[1], of, steps), points.coords)[:n]


def left(points: Points, *, of: tuple[int, ...] = (), steps: int = 2) -> int:
    """How many of them are not done."""
    return len(missing(_wanted(points.coords.shape[1], of, steps), points.coords))


@lru_cache(maxsize=2)
def _wanted(models: int, of: tuple[int, ...], steps: int) -> Array:
    pairs = np.array(of, dtype=np.intp).reshape(-1, 2) if of else every_pair(models)
    alone = singles(models)[np.unique(pairs)] if len(pairs) else singles(models)
    inner = [between(models, pairs, k / steps) for k in range(1, steps)]
    rows = np.concatenate([alone, *(inner if len(pairs) else [])])
    rows.setflags(write=False)
    return rows
