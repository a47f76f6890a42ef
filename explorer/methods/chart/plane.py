"""Plane through three models, or the one that comes closest to more of them. Distances are to scale along both axes.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs" (three models, orthonormal axes); for more corners the
plane of their first two principal axes (Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets", for a trajectory). Coordinates run
from 0 to 1 over an upright rectangle around the corners; `margin` is how much wider it is on every side, as a share of its longer side. The first corner
lies to the left of the last one, level with it. explorer.stats.plane_frame turns coordinates into distances.
"""

from __future__ import annotations

from typing import Annotated

from explorer.core.points import Array
from explorer.core.registry import Range
from explorer.stats.plane_frame import Window, around, closest

AXES = ("u", "v")
CORNERS = 3  # or more


def place(coords: Array, gram: Array, *, margin: Annotated[float, Range(0, 10)] = 0.25) -> Array:
    """(K, 2) coordinates and the corners' (C, C) Gram matrix → (K, C) mixing coefficients; the rows sum to 1. Refused for corners on one line."""
    return window(gram, margin=margin).coefficients(coords)


def window(gram: Array, *, margin: float = 0.25) -> Window:
    """What part of which plane the coordinates run over."""
    return around(closest(gram), margin)
