"""Spherical line: along the arc between two models instead of the chord, so that the norm does not shrink half-way.

Shoemake 1985, "Animating rotation with quaternion curves". sin((1 − t)Ω)/sin Ω · A + sin(tΩ)/sin Ω · B with Ω the angle between the two weight
vectors. For vectors that are nearly parallel this is the straight line. Opposite vectors have no arc of their own between them.
"""

from __future__ import annotations

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array

AXES = ("t",)
CORNERS = 2
STRAIGHT = 1e-6  # angles in radians below which arc and chord agree to rounding
OPPOSITE = 1e-3  # radians from π


def place(coords: Array, gram: Array) -> Array:
    """(K, 1) values of t, (2, 2) Gram matrix → (K, 2) coefficients, which sum to 1 only at the ends. Refused for opposite or zero vectors."""
    t = coords[:, 0]
    norms = np.sqrt(np.diag(gram))
    if not norms.all():
        raise Refused("One of the two models has all weights zero, so there is no angle between them. Use the straight line.")
    Ω = float(np.arccos(np.clip(gram[0, 1] / norms.prod(), -1.0, 1.0)))
    if np.pi - OPPOSITE < Ω:
        raise Refused("The two models point in opposite directions: every half circle is an arc between them. Use the straight line.")
    if Ω < STRAIGHT:
        return np.stack([1.0 - t, t], axis=1)
    coefficients = np.stack([np.sin((1.0 - t) * Ω), np.sin(t * Ω)], axis=1) / np.sin(Ω)
    coefficients[t == 0.0] = (1.0, 0.0)  # sin Ω / sin Ω is 1, sin 0 is 0: to the bit
    coefficients[t == 1.0] = (0.0, 1.0)
    return coefficients
