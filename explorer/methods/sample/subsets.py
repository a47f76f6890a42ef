"""Soups of subsets: what each model contributes to the others.

leave_one_out: the soup of all, of all but one, and every model alone. all: every subset that is not empty (2ⁿ − 1 soups), as exact Shapley values need
them. permutations: the models one after the other in random orders, as sampled Shapley values need them (Castro, Gómez & Tejada 2009). to_all: three places
on the line from each model to the soup of all, as the barriers between them need them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array, Points, missing
from explorer.core.registry import Range
from explorer.stats.soup_analysis import permuted, singles, subsets, to_all

MOST = 12  # models of which all subsets are measured
AXES = "corners"  # one coordinate for each model
BLIND = True  # no value is looked at


def ask(
    points: Points,
    n: int,
    *,
    which: Literal["leave_one_out", "all", "permutations", "to_all"] = "leave_one_out",
    count: Annotated[int, Range(1, 10000)] = 20,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
) -> Array:
    """The next soups that are not done; `count` random orders. (≤ n, C); empty: finished. Refused for all subsets of more than 12 models."""
    return missing(_wanted(points.coords.shape[1], which, count, seed), points.coords)[:n]


def left(
    points: Points, *, which: Literal["leave_one_out", "all", "permutations", "to_all"] = "leave_one_out", count: int = 20, seed: int = 0
) -> int:
    """How many soups are not done."""
    return len(missing(_wanted(points.coords.shape[1], which, count, seed), points.coords))


@lru_cache(maxsize=4)
def _wanted(models: int, which: str, count: int, seed: int) -> Array:
    if which == "all":
        if models > MOST:
            raise Refused(
                f"{models} models have {2**models - 1:,} subsets, too many to measure. Choose at most {MOST} models, or sample permutations."
            )
        return subsets(models)
    if which == "permutations":
        return permuted(models, count, seed)
    if which == "to_all":
        return to_all(models)
    return np.concatenate([singles(models), np.ones((1, models)), 1 - singles(models)]) if models > 1 else singles(1)
