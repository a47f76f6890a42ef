"""Mixture: a soup of any of the models, in any proportion. Coordinates are the models' weights, which are divided by their sum.

Wortsman et al. 2022, "Model soups". One coordinate for each corner: 1 for those that are in and 0 for the others gives the uniform soup of a choice.
"""

from __future__ import annotations

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array

AXES = "corners"
CORNERS = 2  # or more


def place(coords: Array, gram: Array) -> Array:
    """(K, C) weights → (K, C) mixing coefficients; the rows sum to 1. Refused where the weights sum to zero."""
    total = coords.sum(axis=1, keepdims=True)
    if (np.abs(total) < 1e-12).any():
        raise Refused("The weights of a soup sum to zero, so they cannot be normalised. Give at least one model a weight, or change one.")
    return coords / total
