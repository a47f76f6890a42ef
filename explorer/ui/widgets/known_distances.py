"""Distances between registered checkpoints, from the inner products that were taken when they were looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.points import Array
from explorer.store.run_store import RunStore


def distances(store: RunStore, digests: Sequence[str]) -> Array | None:
    """(n, n) Euclidean distances of exactly these checkpoints, in this order; None where no look has taken them all."""
    found = store.gram(digests)
    return None if found is None else apart(found)


def apart(products: Array) -> Array:
    """(n, n) inner products → the distances."""
    square = np.diag(products)
    return np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * products, 0))
