"""Weights that travel to a device while something else is worked out about their files: the digest of a large file takes longer than to read it.

Within `with read_ahead():`, what `begin` is asked for is read in a thread of its own, and `arrived` hands it over, once. What nobody takes, as nothing had to be
measured, is let go of at the end, and no more of it read; outside of it nothing begins. A file that was written to in between is another one: nothing has arrived of it.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TypeAlias

import torch
from torch import Tensor

from explorer.checkpoints.lazy_weights import Streamed, open_lazily
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.evaluate.devices import memory

SHARE = 0.25  # of the free memory of a device: the network and its answers come after

_Key: TypeAlias = "tuple[tuple[tuple[str, int, int, int], ...], torch.device]"


@dataclass
class _Coming:
    weights: dict[_Key, Future[Weights]] = field(default_factory=dict["_Key", "Future[Weights]"])
    over: Event = field(default_factory=Event)


_coming: ContextVar[_Coming | None] = ContextVar("read ahead", default=None)


@contextmanager
def read_ahead() -> Generator[None]:
    """Where weights may be read ahead of their use."""
    token = _coming.set(coming := _Coming())
    try:
        yield
    finally:
        coming.over.set()
        _coming.reset(token)


def begin(paths: Sequence[Path], shapes: Mapping[str, tuple[int, ...]], reals: Collection[str], device: str) -> None:
    """Send checkpoints on their way to a device other than the CPU: those of `.safetensors` that hold just these tensors, where a quarter of its free memory
    takes all of them."""
    coming, where = _coming.get(), torch.device(device)
    free = None if coming is None or where.type == "cpu" else memory(device)
    if coming is None or free is None:
        return
    with suppress(Refused, OSError):  # whoever needs the file says what is wrong with it
        found = [corner for path in dict.fromkeys(paths) if (corner := open_lazily(path, shapes, reals)) is not None]
        if sum(corner.nbytes for corner in found) <= SHARE * free.free:
            thread = ThreadPoolExecutor(1, "read ahead")
            coming.weights |= {(corner.stamp, where): thread.submit(brought, corner, where, coming.over) for corner in found if corner.stamp}
            thread.shutdown(wait=False)


def arrived(corner: Mapping[str, Tensor], device: torch.device) -> Weights | None:
    """What has been read ahead of this corner, waited for; None where nothing was. It is the caller's from then on."""
    coming = _coming.get()
    found = coming.weights.pop((corner.stamp, device), None) if coming and isinstance(corner, Streamed) and corner.stamp else None
    with suppress(Refused, OSError, torch.OutOfMemoryError):
        return None if found is None else found.result()
    return None


def brought(corner: Mapping[str, Tensor], device: torch.device, over: Event | None = None) -> Weights:
    """A corner's tensors on a device; what is tied stays one tensor. over: whether nobody wants them any more."""
    once: dict[tuple[object, ...], Tensor] = {}
    found: Weights = {}
    for name, tensor in corner.items():
        if over is not None and over.is_set():
            return {}
        place = tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype
        found[name] = once[place] if place in once else once.setdefault(place, tensor.to(device))
    if isinstance(corner, Streamed):
        corner.let_go()
    return found
