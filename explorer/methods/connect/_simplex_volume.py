"""The volume of a simplex and how it grows, from the Gram matrix of its corners alone: without a model.

With the edges eⱼ = cornerⱼ − corner₀ as the rows of E and G = E Eᵀ, the volume is √det G / k! for k + 1 corners, and the gradient of its logarithm
with respect to the edges is G⁻¹E. Its row for a corner is the unit normal of the opposite face over the corner's height above it.

Benton et al. 2021, "Loss Surface Simplexes for Mode Connecting Volumes and Fast Ensembling" (there by the Cayley–Menger determinant).
"""

from __future__ import annotations

from math import factorial, sqrt

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array


def volume(gram: Array) -> float:
    """k-dimensional volume of the simplex whose k + 1 corners have this Gram matrix; 0 where they lie in fewer dimensions.

    >>> volume(np.diag([0.0, 1.0, 1.0]))  # the origin and two unit vectors
    0.5
    """
    edges = _edges(gram)
    return sqrt(max(float(np.linalg.det(edges)), 0.0)) / factorial(len(edges))


def growth(gram: Array) -> Array:
    """(C, C) gradient of log volume: row i holds, as coefficients of the corners, the gradient with respect to corner i; the rows sum to 0.

    Refused when the corners lie in fewer dimensions than a simplex has: there the logarithm ends.
    """
    edges = _edges(gram)
    scale = np.sqrt(np.maximum(np.diag(edges), 0.0))
    if not (scale > 0).all() or np.linalg.cond(cosines := edges / np.outer(scale, scale)) > 1 / np.finfo(float).eps:
        raise Refused(f"The {len(gram)} corners span no simplex: some lie on a line or coincide. Use ends that differ, and a positive height.")
    inverse = np.linalg.inv(cosines) / np.outer(scale, scale)
    by_edges = np.concatenate([-inverse.sum(axis=1, keepdims=True), inverse], axis=1)  # eⱼ = cornerⱼ − corner₀
    return np.concatenate([-by_edges.sum(axis=0, keepdims=True), by_edges])  # all edges move when corner 0 does


def _edges(gram: Array) -> Array:
    """(k, k) Gram matrix of the edges from the first corner."""
    return gram[1:, 1:] - gram[1:, :1] - gram[:1, 1:] + gram[0, 0]
