"""Straight line between two models: (1 − t)·A + t·B.

t = 0 is A and t = 1 is B, exactly. Values outside [0, 1] extrapolate.
"""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array

AXES = ("t",)
CORNERS = 2


def place(coords: Array, gram: Array) -> Array:
    """(K, 1) values of t → (K, 2) mixing coefficients; the rows sum to 1. The corners' Gram matrix is not needed."""
    t = coords[:, :1]
    return np.concatenate([1.0 - t, t], axis=1)
