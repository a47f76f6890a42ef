"""Distances between registered checkpoints, from the inner products that were taken when they were looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.points import Array
from explorer.store.run_store import RunStore


def distances(store: RunStore, digests: Sequence[str]) -> Array | None:
    """(n, n) Euclidean distances of the same."""
    if (found := store.gram(digests)) is None:
        return None
    square = np.diag(found)
    return np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * found, 0))
