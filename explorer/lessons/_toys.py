"""Toy problems of two to six weights that the Learn page lets one play with. Plain numpy: what the pictures compute in the browser, once more and readable.

None of them is a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from explorer.core.points import Array
from explorer.lessons import more_than_order

ENDS = ((1 / 3, 3.0), (3.0, 1 / 3))  # of the Bézier curve: both have a loss of zero, w v = 1
BEND = (1.6, 2.4)  # where one begins
CHANGES = np.array([[0.8, -0.1, 0.5, -0.6, 0.15, 0.7], [0.6, 0.75, -0.9, -0.5, -0.1, 0.05], [-0.45, 0.1, -0.55, 0.9, 0.65, 0.8]])
KEPT = 4  # of the six changes of each model


class Ellipse(NamedTuple):
    """A quadratic loss ½ (θ − at)ᵀ H (θ − at) by the ellipse where the product is 1: `along` its first half axis, `across` the length of the second."""

    at: tuple[float, float]
    along: tuple[float, float]
    across: float

    def curvature(self) -> Array:
        """(2, 2) H."""
        first = np.array(self.along) / np.hypot(*self.along)
        axes = np.stack([first, [-first[1], first[0]]])
        return axes.T @ np.diag([1 / np.hypot(*self.along) ** 2, 1 / self.across**2]) @ axes


ELLIPSES = (Ellipse((-1.2, -0.6), (1.4, 0.7), 0.45), Ellipse((1.1, 0.9), (-0.5, 1.3), 0.5))


def bezier(t: Array, bend: Sequence[float] = BEND) -> Array:
    """(K, 2) places of the curve with one bend between ENDS."""
    a, b = np.array(ENDS)
    return (1 - t[:, None]) ** 2 * a + 2 * t[:, None] * (1 - t[:, None]) * np.array(bend) + t[:, None] ** 2 * b


def along_bezier(t: Array, bend: Sequence[float] = BEND) -> Array:
    """(K,) the loss of `more_than_order` there."""
    return more_than_order.loss(*bezier(t, bend).T)


def total(place: Array, ellipses: Sequence[Ellipse] = ELLIPSES) -> Array:
    """(…) the sum of the two quadratic losses at places (…, 2)."""
    return np.sum([0.5 * np.einsum("...i,ij,...j", place - e.at, e.curvature(), place - e.at) for e in ellipses], axis=0)


def means(ellipses: Sequence[Ellipse] = ELLIPSES) -> dict[str, Array]:
    """Where three ways of merging the minima end: mean, Fisher mean (the diagonals of H), minimum of the sum (all of H: for a linear layer, RegMean)."""
    at, hs = np.array([e.at for e in ellipses]), np.array([e.curvature() for e in ellipses])
    diagonals = np.diagonal(hs, axis1=1, axis2=2)
    return {
        "mean": at.mean(axis=0),
        "Fisher mean": (diagonals * at).sum(axis=0) / diagonals.sum(axis=0),
        "minimum of the sum": np.linalg.solve(hs.sum(axis=0), np.einsum("kij,kj->i", hs, at)),
    }


def ties(changes: Array = CHANGES, kept: int = KEPT) -> Array:
    """(n,) the merged change of (models, n) changes by TIES: the `kept` largest of each model, the sign of their sum, the mean of those with that sign."""
    order = np.argsort(-np.abs(changes), axis=1, kind="stable")
    trimmed = np.zeros_like(changes)
    np.put_along_axis(trimmed, order[:, :kept], np.take_along_axis(changes, order[:, :kept], axis=1), axis=1)
    agree = (np.sign(trimmed) == np.sign(trimmed.sum(axis=0))) & (trimmed != 0)
    return np.where(agree, trimmed, 0.0).sum(axis=0) / np.maximum(1, agree.sum(axis=0))
