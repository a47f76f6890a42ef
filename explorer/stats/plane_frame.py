"""Planes through several models, in true distances, from their Gram matrix alone: without a model.

A chart of a plane looks at it through a window: coordinates from 0 to 1 over an upright rectangle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array

FLAT = 1e-7  # share of the longest axis below which a second axis is rounding


@dataclass(frozen=True, eq=False)
class Frame:
    """Unit vectors and origin as coefficients of the C corners, and where the corners lie; of a plane d is 2.

    basis: (d, C), rows sum to 0. origin: (C,), sums to 1. corners: (C, d) distances from the origin along the axes. outside: (C,) distance of each
    corner from the plane.
    """

    basis: Array
    origin: Array
    corners: Array
    outside: Array

    def coefficients(self, places: Array) -> Array:
        """(K, d) places in the plane, in distances → (K, C) mixing coefficients; the rows sum to 1."""
        return self.origin + places @ self.basis

    def places(self, coefficients: Array) -> Array:
        """(K, C) coefficients that sum to 1 → (K, d) where these points lie in the plane, or below or above it."""
        return coefficients @ self.corners


@dataclass(frozen=True, eq=False)
class Window:
    """An upright rectangle of a plane, or box of a space: (d,) centre and (d,) sides in distances."""

    frame: Frame
    centre: Array
    sides: Array

    def coefficients(self, coords: Array) -> Array:
        """(K, d) coordinates from 0 to 1 → (K, C) mixing coefficients."""
        return self.frame.coefficients(self.places(coords))

    def places(self, coords: Array) -> Array:
        """(K, d) coordinates → places in the plane, in distances."""
        return self.centre + (coords - 0.5) * self.sides

    def coords(self, places: Array) -> Array:
        """The inverse of places."""
        return (places - self.centre) / self.sides + 0.5


def around(plane: Frame, margin: float) -> Window:
    """The window that holds all corners, at least half as high as wide and the other way round.

    `margin`: how much wider it is than that on every side, as a share of its longer side.
    """
    low, high = plane.corners.min(axis=0), plane.corners.max(axis=0)
    longer = float((high - low).max())
    return Window(plane, (low + high) / 2, np.maximum(high - low, longer / 2) + 2 * margin * longer)


def closest(gram: Array) -> Frame:
    """The plane that comes closest to C ≥ 3 corners with this (C, C) Gram matrix. Refused when they lie on one line.

    It goes through the mean of the corners along their first two principal axes (for three corners: through all of them). It is turned so that the last
    corner lies to the right of the first, level with it, and mirrored so that the corner farthest from that level lies above it.
    """
    count = len(gram)
    centring = np.eye(count) - 1 / count
    inner = centring @ gram @ centring
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if count < 3 or values[1] <= FLAT**2 * values[0]:
        raise Refused(f"The {count} corners lie on one line, which is in many planes. Choose at least three models that are not on one line.")
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


def spanned(gram: Array) -> Frame:
    """What the first corner spans along the directions to the C − 1 others: it is the origin, the first axis leads to the second corner, and each further one
    to what the next adds. A plane for three corners; a space of d dimensions for d + 1.

    Refused when the directions depend on each other, or one is zero.
    """
    edges = gram[1:, 1:] - gram[1:, :1] - gram[:1, 1:] + gram[0, 0]
    d = len(edges)
    lower = np.zeros((d, d))  # Cholesky: corners in their own orthonormal axes
    for k in range(d):
        for j in range(k):
            lower[k, j] = (edges[k, j] - lower[k, :j] @ lower[j, :j]) / lower[j, j]
        up = edges[k, k] - lower[k, :k] @ lower[k, :k]
        if up <= FLAT**2 * max(float(edges.diagonal().max()), 0.0):
            raise Refused(
                "The directions are parallel or zero, or one is a sum of others, so they do not span a space. Choose directions that differ."
            )
        lower[k, k] = np.sqrt(up)
    basis = np.linalg.solve(lower, np.column_stack([-np.ones(d), np.eye(d)])).astype(np.float64)
    return Frame(basis, np.eye(d + 1)[0], np.vstack([np.zeros(d), lower]), np.zeros(d + 1))
