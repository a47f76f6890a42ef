"""What a piece of work took: seconds, and the most memory it held beyond what was held before.

Memory is that of the process (its peak resident size, which Linux counts and lets be reset) and, on a GPU, the largest allocation there. Pages that
the allocator keeps for later are given back first, so that the order of the work does not matter; a few MiB remain noise. None where the system
does not tell.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Cost:
    """Set when the work is over; bytes: None where they cannot be had."""

    seconds: float = 0.0
    memory: int | None = None


@contextmanager
def measured(device: str) -> Generator[Cost, None, None]:
    """Measure what happens inside. Not nested: the peak is the process's."""
    cost, gpu = Cost(), device.startswith("cuda")
    if gpu:
        torch.cuda.reset_peak_memory_stats(device)
    allocated = torch.cuda.memory_allocated(device) if gpu else 0
    before = _reset()
    started = time.perf_counter()
    yield cost
    if gpu:
        torch.cuda.synchronize(device)
    cost.seconds = time.perf_counter() - started
    after = None if before is None else _kib("VmHWM")
    held = None if before is None or after is None else max(after - before, 0) * 1024
    cost.memory = (held or 0) + torch.cuda.max_memory_allocated(device) - allocated if gpu else held


def _reset() -> int | None:
    """KiB held now, the peak set to it; None where that is not possible."""
    gc.collect()
    if sys.platform != "linux":
        return None
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return None
    return _kib("VmRSS")


def _kib(name: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
