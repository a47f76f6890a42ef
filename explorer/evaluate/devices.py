"""The devices there are: which one to compute on, how much memory it has, and how exactly it multiplies.

Stored numbers are float32 to the last bit of the format: NVIDIA GPUs would shorten the factors of convolutions to TF32 (10 bits of mantissa) unless they
are told not to, so everything that is measured is measured within `precisely`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from explorer.core.errors import Refused
from explorer.core.spec import Precision

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Memory:
    """Bytes that are free on a device at this moment, and all that it has."""

    free: int
    total: int


def device_for(wanted: str) -> str:
    """`auto` is the first CUDA device where there is one, else the CPU; anything else (cpu, cuda, cuda:N, mps) must be there. Refused when it is not.

    Metal (mps) computes sums over samples in float32 only, so nobody gets it without asking; nothing here has been tested on it.
    """
    if wanted == "auto":
        return next(iter(accelerators()), "cpu")
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        there = ", ".join(("auto", "cpu", *accelerators()))
        raise Refused(f"There is no device {wanted!r} here. There are: {there}.") from error
    return "cuda:0" if wanted == "cuda" else wanted


def accelerators() -> tuple[str, ...]:
    """Every CUDA device of this machine."""
    return tuple(f"cuda:{i}" for i in range(torch.cuda.device_count())) if torch.cuda.is_available() else ()


def title(device: str) -> str:
    """What a device calls itself."""
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device


def memory(device: str) -> Memory | None:
    """How much memory a device has; None where the system does not say."""
    kind = torch.device(device).type
    if kind == "cuda":
        return Memory(*torch.cuda.mem_get_info(device))
    if kind == "mps":
        total = torch.mps.recommended_max_memory()
        return Memory(total - torch.mps.driver_allocated_memory(), total)
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return Memory(_available() or page * os.sysconf("SC_AVPHYS_PAGES"), page * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not every system answers
        return None


def peak() -> int:
    """The most bytes that this process has held in memory so far; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else 1024 * held


def _available() -> int:
    """Bytes that programs may still have on Linux, caches that would be given up for them included; 0 elsewhere."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123  (no file on a disk)
            return next((1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable:")), 0)
    except OSError:
        return 0


_turn = threading.Condition()
_within: list[tuple[int, str]] = []  # (thread, rounding) of everybody who is within `precisely` at this moment
_before: list[str] = []  # the flags as they were before the first of them


def possible(precision: Precision, device: torch.device) -> None:
    """Refused for a precision that the device does not have."""
    if precision == "tf32" and (device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0)):
        raise Refused(
            f"TF32 is a precision of NVIDIA GPUs from Ampere on, and this is {title(str(device))}. Choose bfloat16 for a preview, or float32."
        )


@contextmanager
def precisely(precision: Precision, device: torch.device) -> Generator[None, None, None]:
    """Within: matrix products, convolutions and recurrent layers in the given precision; afterwards as it was.

    float32: exactly that. tf32: factors rounded to 10 bits, on GPUs that can. bfloat16: factors rounded to 8 bits, sums in float32.

    The flags for this are the whole process's. Threads that want the same are within together; one that wants them otherwise waits until those are done,
    and the last to leave, also by an exception, puts them back.
    """
    mine = threading.get_ident(), "tf32" if precision == "tf32" else "ieee"
    with _turn:
        _turn.wait_for(lambda: all(thread == mine[0] or rounding == mine[1] for thread, rounding in _within))
        if not _within:
            _before[:] = [r.fp32_precision for r in _rounds()]
        _within.append(mine)
        _set(mine[1])
    try:
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False) if precision == "bfloat16" else nullcontext():
            yield
    finally:
        with _turn:
            _within.remove(mine)
            _set(*(_before if not _within else [_within[-1][1]]))
            _turn.notify_all()


@contextmanager
def outside_precisely() -> Generator[None, None, None]:
    """Within: as if this thread had not entered `precisely`; afterwards it is within again, once nobody else is who wants it otherwise."""
    thread = threading.get_ident()
    with _turn:
        mine = [entry for entry in _within if entry[0] == thread]
        _within[:] = [entry for entry in _within if entry[0] != thread]
        if mine and not _within:
            _set(*_before)
        _turn.notify_all()
    try:
        yield
    finally:
        if mine:
            with _turn:
                _turn.wait_for(lambda: all(rounding == mine[-1][1] for _, rounding in _within))
                if not _within:
                    _before[:] = [r.fp32_precision for r in _rounds()]
                _within.extend(mine)
                _set(mine[-1][1])


def _rounds() -> tuple[Any, ...]:
    cudnn = torch.backends.cudnn
    return (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)  # pyright: ignore[reportAttributeAccessIssue]  (the stub leaves it out)


def _set(*values: str) -> None:
    """One value for each, or one for all. The flag of all of cuDNN comes first and agrees: where it differs from its parts, torch.export, which asks for it, fails."""
    rounds = _rounds()
    torch.backends.cudnn.allow_tf32 = values[-1] == "tf32"
    for r, value in zip(rounds, values if len(values) > 1 else values * len(rounds), strict=True):
        r.fp32_precision = value


def clocked(function: Callable[[], object], device: torch.device, *, times: int = 3) -> float:
    """Seconds that a call takes, the least of some, after one that is not counted."""
    function()
    taken: list[float] = []
    for _ in range(times):
        _wait(device)
        started = time.perf_counter()
        function()
        _wait(device)
        taken.append(time.perf_counter() - started)
    return min(taken)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def halved(chunk: int) -> int:
    """Half of it, rounded up; 0 for 1."""
    return -(-chunk // 2) if chunk > 1 else 0


def in_memory(function: Callable[[], T], halve: Callable[[], int], device: torch.device) -> T:
    """The function's value. Where memory runs out, `halve` is asked to halve what is done at once and to say how much that is now, and it is tried again.

    Refused when there is nothing left to halve (0).
    """
    while True:
        try:
            return function()
        except torch.OutOfMemoryError as error:
            if not (left := halve()):
                raise Refused(f"There is not enough memory on {device} for one sample of this network. Use another device.") from error
        log.warning("Memory ran out on %s: from now on %d samples at once", device, left)
        if device.type == "cuda":
            torch.cuda.empty_cache()
