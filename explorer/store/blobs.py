"""Arrays as they lie in a store: float64, little-endian, in C order. SQLite turns a REAL NaN into NULL, and a diverged point must stay NaN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.points import Array


def blob(array: Array) -> bytes:
    """An array without its shape."""
    return np.ascontiguousarray(array, dtype="<f8").tobytes()


def array(blob: bytes) -> Array:
    """(n,) and unwritable: the numbers of a blob."""
    return np.frombuffer(blob, dtype="<f8")


def stacked(blobs: Sequence[bytes], *shape: int) -> Array:
    """The arrays of all blobs as one that can be written to, without an array for each."""
    return np.frombuffer(bytearray().join(blobs), dtype="<f8").reshape(len(blobs), *shape)
