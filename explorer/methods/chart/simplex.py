"""Simplex: all mixtures of several models. Coordinates are the weights of all but the first, which takes the rest.

Wortsman et al. 2021, "Learning Neural Network Subspaces"; Benton et al. 2021, "Loss Surface Simplexes for Mode Connecting Volumes and Fast Ensembling".
Inside the simplex no coordinate is negative and their sum is at most 1; the corners stand at the origin and at the unit vectors.
"""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array

AXES = ("λ2", "λ3")
CORNERS = 3


def place(coords: Array, gram: Array) -> Array:
    """(K, 2) weights of the second and the third model → (K, 3) mixing coefficients; the rows sum to 1."""
    return np.concatenate([1.0 - coords.sum(axis=1, keepdims=True), coords], axis=1)
