"""Box of three or more dimensions: what lies around a model along several directions, or between four models and more.

Corners: the model θ, and θ + d₁, θ + d₂, …, as many as there are dimensions: other models, or θ moved along directions. The axes are orthonormal, each direction
freed of its part along those before, so that distances are true. Coordinates run from 0 to 1 over a box: `around` the first corner, which is
in the middle and as far from each side as `extent` lengths of d₁; or, with `around` all, over all corners and `extent` of the longest side beyond them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from explorer.core.points import Array
from explorer.core.registry import Range
from explorer.stats.plane_frame import Window, spanned

AXES = "others"  # one coordinate for each corner but the first
CORNERS = 4  # or more


def place(coords: Array, gram: Array, *, around: Literal["first", "all"] = "first", extent: Annotated[float, Range(0.0001, 1000)] = 1.0) -> Array:
    """(K, C − 1) coordinates and the corners' (C, C) Gram matrix → (K, C) mixing coefficients; the rows sum to 1. Refused for directions that span less."""
    return box(gram, around=around, extent=extent).coefficients(coords)


def box(gram: Array, *, around: Literal["first", "all"] = "first", extent: float = 1.0) -> Window:
    """What part of the space the coordinates run over."""
    frame = spanned(gram)
    d = len(frame.basis)
    if around == "first":
        return Window(frame, np.zeros(d), np.full(d, 2 * extent * frame.corners[1, 0]))
    low, high = frame.corners.min(axis=0), frame.corners.max(axis=0)
    return Window(frame, (low + high) / 2, high - low + 2 * extent * float((high - low).max()))
