"""How long a path through weight space is: from its chart and the Gram matrix of its corners, without a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from explorer.core.points import Array

ChartFunction: TypeAlias = Callable[[Array, Array], Array]
"""(K, d) coordinates and the corners' (C, C) Gram matrix → (K, C) coefficients: a chart."""

STEPS = 256  # straight pieces a path is cut into


def lengths(place: ChartFunction, gram: Array, t: Array) -> Array:
    """(K,) Euclidean length of the path from t[0] to every t, along straight pieces between neighbours."""
    steps = np.diff(place(t[:, None], gram), axis=0)
    return np.concatenate([[0.0], np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", steps, gram, steps), 0.0)).cumsum()])


def at(place: ChartFunction, gram: Array, t: Array) -> Array:
    """(K,) length of the path from 0 to every t in [0, 1], in any order."""
    fine = np.linspace(0.0, 1.0, STEPS + 1)
    return np.interp(t, fine, lengths(place, gram, fine))
