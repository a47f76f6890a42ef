"""Polygonal chain: straight from corner to corner, equal times on each leg.

Garipov et al. 2018, for any number of bends. The corners are A, the bends in order, B; each stands at its own multiple of 1/(C − 1).
"""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array

AXES = ("t",)
CORNERS = 3  # or more


def place(coords: Array, gram: Array) -> Array:
    """(K, 1) values of t → (K, C) mixing coefficients; the rows sum to 1. Beyond [0, 1] the first and the last leg go on."""
    legs = len(gram) - 1
    s = coords[:, 0] * legs
    leg = np.clip(np.floor(s), 0, legs - 1).astype(int)
    rows = np.arange(len(s))
    coefficients = np.zeros((len(s), legs + 1))
    coefficients[rows, leg] = 1.0 - (s - leg)
    coefficients[rows, leg + 1] = s - leg
    return coefficients
