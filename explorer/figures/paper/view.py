"""A box seen in perspective: where a place in space stands on the sheet, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.core.points import Array
from explorer.figures.paper.reading import Props, group, number
from explorer.figures.paper.sheet import Box

EYE = 1.25  # Plotly's, along each axis, in a box about 1 wide


@dataclass(frozen=True, eq=False)
class View:
    """low, high, aspect: (3,) ends of the axes and lengths of the box. eye: (3,), from its middle. frame: (3, 3) to the right, up and away from the eye.

    area: the box's corners fill it.
    """

    low: Array
    high: Array
    aspect: Array
    eye: Array
    area: Box

    @property
    def frame(self) -> Array:
        """(3, 3) rows: to the right, upwards, away."""
        away = -self.eye / np.linalg.norm(self.eye)
        right = np.cross(away, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, away), away])

    def placed(self, points: Array) -> Array:
        """(..., 3) values along the axes → (..., 3) in the box, whose middle is 0."""
        return ((points - self.low) / (self.high - self.low) - 0.5) * self.aspect

    def seen(self, places: Array) -> tuple[Array, Array]:
        """(..., 3) places in the box → (..., 2) px of the sheet, and (...) depths."""
        flat, depth = self._flat(places)
        corners = self._flat(np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * self.aspect)[0]
        low, high = corners.min(axis=0), corners.max(axis=0)
        unit = min(self.area.width / (high[0] - low[0]), self.area.height / (high[1] - low[1]))
        middle = np.array([(self.area.left + self.area.right) / 2, (self.area.top + self.area.bottom) / 2])
        return middle + (flat - (low + high) / 2) * unit * np.array([1.0, -1.0]), depth

    def _flat(self, places: Array) -> tuple[Array, Array]:
        there = (places - self.eye) @ self.frame.T
        return there[..., :2] / there[..., 2:], there[..., 2]

    @property
    def front(self) -> Array:
        """(3,) for each axis whether its upper (1) or its lower (−1) end is the nearer one."""
        return np.where(self.eye >= 0, 1.0, -1.0)


def eye_of(scene: Props) -> Array:
    """(3,) where the camera of a scene stands."""
    eye = group(group(scene, "camera"), "eye")
    return np.array([number(eye, axis, EYE) for axis in "xyz"])
