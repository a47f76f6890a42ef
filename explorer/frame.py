"""The plane that comes closest to several models, in true distances, from their Gram matrix alone: without a model.

It goes through the mean of the corners along their first two principal axes (for three corners: through all of them). It is turned so that the last
corner lies to the right of the first, level with it, and mirrored so that the corner farthest from that level lies above it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.errors import Refused
from explorer.points import Array

FLAT = 1e-7  # share of the longest axis below which a second axis is rounding


@dataclass(frozen=True, eq=False)
class Frame:
    """Unit vectors and origin as coefficients of the C corners, and where the corners lie.

    basis: (2, C), rows sum to 0. origin: (C,), sums to 1. corners: (C, 2) distances from the origin along the axes. outside: (C,) distance of each
    corner from the plane.
    """

    basis: Array
    origin: Array
    corners: Array
    outside: Array

    def coefficients(self, places: Array) -> Array:
        """(K, 2) places in the plane, in distances → (K, C) mixing coefficients; the rows sum to 1."""
        return self.origin + places @ self.basis

    def places(self, coefficients: Array) -> Array:
        """(K, C) coefficients that sum to 1 → (K, 2) where these points lie in the plane, or below or above it."""
        return coefficients @ self.corners

    def window(self, margin: float) -> tuple[Array, Array]:
        """(2,) centre and (2,) sides of the upright rectangle around the corners, at least half as high as wide and the other way round.

        `margin`: how much wider it is than that on every side, as a share of its longer side.
        """
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        longer = float((high - low).max())
        return (low + high) / 2, np.maximum(high - low, longer / 2) + 2 * margin * longer


def frame(gram: Array) -> Frame:
    """The plane of C ≥ 3 corners with this (C, C) Gram matrix. Refused when they lie on one line."""
    count = len(gram)
    centring = np.eye(count) - 1 / count
    inner = centring @ gram @ centring
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if count < 3 or values[1] <= FLAT**2 * values[0]:
        raise Refused(f"The {count} corners lie on one line, which is in many planes. Choose at least three models that do not.")
    length = np.sqrt(values[:2])
    axes = (vectors[:, :2] / length).T @ centring
    corners = vectors[:, :2] * length
    right = corners[-1] - corners[0]
    if np.hypot(*right) <= FLAT * length[0]:
        right = np.array([1.0, 0.0])  # the same model twice
    cosine, sine = right / np.hypot(*right)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    corners, axes = corners @ turn.T, turn @ axes
    level = corners[:, 1] - corners[0, 1]
    if level[np.abs(level).argmax()] < 0:
        corners, axes = corners * (1, -1), axes * [[1], [-1]]
    outside = np.sqrt(np.maximum(np.diag(inner) - (corners**2).sum(axis=1), 0.0))
    return Frame(axes, np.full(count, 1 / count), corners, outside)
