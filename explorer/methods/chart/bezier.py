"""Bézier curve: from A to B, bent towards the corners between them. Σ C(n, i) (1 − t)ⁿ⁻ⁱ tⁱ · cornerᵢ.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", for any number of bends: the corners are A, the
bends in order, B. t = 0 is A and t = 1 is B, exactly; with the bends on the segment, evenly spaced, the curve is the segment.
"""

from __future__ import annotations

from math import comb

import numpy as np

from explorer.core.points import Array

AXES = ("t",)
CORNERS = 3  # or more


def place(coords: Array, gram: Array) -> Array:
    """(K, 1) values of t → (K, C) mixing coefficients, C corners; the rows sum to 1. Of the corners' Gram matrix only the size is used."""
    t, n = coords[:, 0], len(gram) - 1
    return np.stack([comb(n, i) * (1.0 - t) ** (n - i) * t**i for i in range(n + 1)], axis=1)
