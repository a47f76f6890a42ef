"""Path through a complex of simplexes: from A straight to the middle of the shared corners, and on to B.

Benton et al. 2021, "Loss Surface Simplexes for Mode Connecting Volumes and Fast Ensembling": two simplexes that share all corners but one. The
corners are A, the shared ones, B. t = 0 is A, t = ½ the mean of the shared corners, t = 1 is B; the first half lies inside the simplex of A, the
second inside that of B. With one shared corner this is the polygonal chain. It is one way of many: the complex has as many dimensions as shared
corners.
"""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array
from explorer.methods.chart import polychain

AXES = ("t",)
CORNERS = 3  # or more


def place(coords: Array, gram: Array) -> Array:
    """(K, 1) values of t → (K, C) mixing coefficients; the rows sum to 1. Of the Gram matrix only the size is used."""
    first, middle, last = polychain.place(coords, np.eye(3)).T
    joints = len(gram) - 2
    return np.stack([first, *[middle / joints] * joints, last], axis=1)
