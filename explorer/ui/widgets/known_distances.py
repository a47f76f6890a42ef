"""Distances between registered checkpoints, from the inner products that were taken when they were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from explorer.core.points import Array
from explorer.store.run_store import RunStore


def gram(store: RunStore, digests: Sequence[str]) -> Array | None:
    """(n, n) inner products of exactly these checkpoints, in this order; None where no look has taken them all."""
    for status in store.statuses("Look"):
        if status.state != "done" or not isinstance(status.result, dict):
            continue
        files, group = (cast("list[object]", status.result[part]) for part in ("files", "group"))
        if len(group) < len(digests):
            continue
        row = {str(cast("dict[str, object]", files[cast("int", i)])["digest"]): r for r, i in enumerate(group)}
        if all(d in row for d in digests):
            rows = [row[d] for d in digests]
            return np.array(status.result["gram"], dtype=np.float64)[np.ix_(rows, rows)]
    return None


def distances(store: RunStore, digests: Sequence[str]) -> Array | None:
    """(n, n) Euclidean distances of the same."""
    found = gram(store, digests)
    return None if found is None else apart(found)


def apart(products: Array) -> Array:
    """(n, n) inner products → the distances."""
    square = np.diag(products)
    return np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * products, 0))
