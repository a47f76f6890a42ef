"""Plane around one model along two directions: what the neighbourhood of a checkpoint looks like.

Goodfellow, Vinyals & Saxe 2015, "Qualitatively characterizing neural network optimization problems"; Li et al. 2018, "Visualizing the Loss Landscape of
Neural Nets". Corners: the model θ, θ + d₁, θ + d₂. The axes are orthonormal (d₂ is freed of its part along d₁), so that distances are true
and the picture does not depend on the angle between the directions. Coordinates run from 0 to 1 over a square with θ in the middle; `extent`: how far
it reaches on every side, in lengths of d₁.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from explorer.core.points import Array
from explorer.core.registry import Range
from explorer.stats.plane_frame import Window, spanned

AXES = ("u", "v")
CORNERS = 3
AROUND = True  # the first corner is a model, the others say where to go from it


def place(coords: Array, gram: Array, *, extent: Annotated[float, Range(0.0001, 1000)] = 1.0) -> Array:
    """(K, 2) coordinates and the corners' (3, 3) Gram matrix → (K, 3) mixing coefficients; the rows sum to 1. Refused for parallel directions."""
    return window(gram, extent=extent).coefficients(coords)


def window(gram: Array, *, extent: float = 1.0) -> Window:
    """What part of the plane the coordinates run over."""
    plane = spanned(gram)
    return Window(plane, np.zeros(2), np.full(2, 2 * extent * plane.corners[1, 0]))
