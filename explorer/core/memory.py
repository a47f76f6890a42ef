"""Memory that is free goes back to the system: what one step of a large model took is not held while the next one is done."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Have the C library give back what lies free within its heaps. glibc keeps that by itself; others have no such call."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
