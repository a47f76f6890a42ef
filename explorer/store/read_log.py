"""Which parts of a store were read: so that who drew something knows when to draw it again (RunStore.versions).

A key names a part: a request by its id, a field by its id, or the list of all requests, checkpoints and workers.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple


class Key(NamedTuple):
    """A part of a store."""

    kind: Literal["request", "field", "list"]
    id: str = ""


LIST = Key("list")
_read: ContextVar[set[Key] | None] = ContextVar("read", default=None)


@contextmanager
def noting() -> Generator[set[Key], None, None]:
    """The parts that are read in the block, by this thread; those of a block inside of it belong to both."""
    outer, keys = _read.get(), set[Key]()
    token = _read.set(keys)
    try:
        yield keys
    finally:
        _read.reset(token)
        if outer is not None:
            outer |= keys


def note(key: Key) -> None:
    """That a part is read now."""
    if (keys := _read.get()) is not None:
        keys.add(key)
