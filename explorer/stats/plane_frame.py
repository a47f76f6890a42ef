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


@dataclass(frozen=True, eq=False)
class Window:
    """An upright rectangle of a plane: (2,) centre and (2,) sides in distances."""

    frame: Frame
    centre: Array
    sides: Array

    def coefficients(self, coords: Array) -> Array:
        """(K, 2) coordinates from 0 to 1 → (K, C) mixing coefficients."""
        return self.frame.coefficients(self.places(coords))

    def places(self, coords: Array) -> Array:
        """(K, 2) coordinates → places in the plane, in distances."""
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
    """The plane through the first of three corners along the directions to the other two: the origin is the first, the x axis leads to the second.

    Refused when the directions are parallel, or one is zero.
    """
    edges = gram[1:, 1:] - gram[1:, :1] - gram[:1, 1:] + gram[0, 0]
    (a, b), c = edges[0], edges[1, 1]
    up = c - b * b / a if a > 0 else 0.0
    if up <= FLAT**2 * max(a, c):
        raise Refused("The two directions are parallel or zero, so they span no plane. Choose two that differ.")
    first, second = np.array([-1.0, 1.0, 0.0]), np.array([-1.0, 0.0, 1.0])
    basis = np.stack([first / np.sqrt(a), (second - b / a * first) / np.sqrt(up)])
    corners = np.array([[0.0, 0.0], [np.sqrt(a), 0.0], [b / np.sqrt(a), np.sqrt(up)]])
    return Frame(basis, np.array([1.0, 0.0, 0.0]), corners, np.zeros(3))
