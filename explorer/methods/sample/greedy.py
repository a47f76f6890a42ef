"""Greedy soup: models from the best to the worst, each kept unless it makes the soup worse.

Wortsman et al. 2022, "Model soups", recipe 1. For the chart `mixture`. What is asked for is what the greedy rule has to know: every model alone, then
one candidate soup after the other. Choose on the validation split, and report on another one.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from explorer.core.points import Array, Points, missing
from explorer.stats.soup_analysis import singles, walk

AXES = "corners"  # one coordinate for each model


def ask(points: Points, n: int, *, metric: Literal["error", "loss"] = "error", rule: Literal["at_least", "better"] = "at_least") -> Array:
    """The models alone that are missing, else the next candidate; `rule`: keep at equal values, or only when better. (≤ n, C); empty: finished."""
    if len(todo := missing(singles(points.coords.shape[1]), points.coords)):
        return todo[:n]
    path = walk(points, metric, rule)
    return np.empty((0, points.coords.shape[1])) if path.wanted is None else path.wanted[None]


def left(points: Points, *, metric: Literal["error", "loss"] = "error", rule: Literal["at_least", "better"] = "at_least") -> int:
    """How many points it may still ask for, at most."""
    models = points.coords.shape[1]
    if alone := len(missing(singles(models), points.coords)):
        return alone + models - 1
    return models - len(walk(points, metric, rule).steps)
