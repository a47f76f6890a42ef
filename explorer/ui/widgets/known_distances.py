"""Distances between registered checkpoints, from the inner products that were taken when they were looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.points import Array
from explorer.store.records import Seen
from explorer.store.run_store import RunStore


def gram(store: RunStore, digests: Sequence[str]) -> Array | None:
    """(n, n) inner products of exactly these checkpoints, in this order; None where no look has taken them all."""
    for status in store.statuses("Look"):
        if status.state != "done":
            continue
        seen = Seen.from_json(status.result)
        members = [seen.files[i].digest for i in seen.group]
        if set(digests) <= set(members):
            rows = [members.index(d) for d in digests]
            return np.array(seen.gram)[np.ix_(rows, rows)]
    return None


def distances(store: RunStore, digests: Sequence[str]) -> Array | None:
    """(n, n) Euclidean distances of the same."""
    if (found := gram(store, digests)) is None:
        return None
    square = np.diag(found)
    return np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * found, 0))
