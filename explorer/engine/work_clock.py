"""How long work took by itself, without what was done in the middle of it, kept for the next of its kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

from explorer.store.run_store import RunStore
from explorer.store.sqlite import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def clocked(work: tuple[str, float], store: RunStore, tell: Callable[P, T]) -> Generator[Callable[P, T], None, None]:
    """Time the block, which is work of a kind and so many units, and note it where the block ends well. Other requests are carried out inside of `tell`: the
    block is to call what it is given in its place, whose time does not count."""
    elsewhere = 0.0

    def telling(*args: P.args, **kwargs: P.kwargs) -> T:
        nonlocal elsewhere
        left = time.perf_counter()
        try:
            return tell(*args, **kwargs)
        finally:
            elsewhere += time.perf_counter() - left

    begun = time.perf_counter()
    yield telling
    with suppress(Unavailable):  # an estimate is not worth the work
        store.worked(*work, time.perf_counter() - begun - elsewhere)
