"""An order of models in which those that are alike stand side by side, so that a large matrix between them shows its groups."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from explorer.core.points import Array


def similar_order(distances: Array) -> list[int]:
    """(n, n) symmetric distances → the leaves of their average-linkage tree, turned so that neighbours are near (Bar-Joseph et al. 2001).

    As they stand where a distance is not known, and of fewer than three.
    """
    n = len(distances)
    if distances.shape != (n, n):
        raise ValueError(f"Expected a square matrix of distances, got shape {distances.shape}.")
    if n < 3 or not np.isfinite(distances).all():
        return list(range(n))
    condensed = squareform((distances + distances.T) / 2, checks=False)
    return [int(k) for k in leaves_list(linkage(condensed, "average", optimal_ordering=True))]
