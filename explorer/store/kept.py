"""Values that are quicker kept than made again, shared by all sessions of a process: so many bytes of them, those that were asked for last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """One value for each key, with the version of what it was made from. Whoever asks says which version is the present one, so that none is stale."""

    def __init__(self, most: int) -> None:
        """most: bytes of all values together; the newest stays even where it alone has more."""
        self._most, self._bytes = most, 0
        self._values: OrderedDict[Hashable, tuple[int, T, int]] = OrderedDict()
        self._lock = Lock()

    def last(self, key: Hashable) -> tuple[int, T] | None:
        """(version, value) as it was kept last."""
        with self._lock:
            if (found := self._values.get(key)) is None:
                return None
            self._values.move_to_end(key)
            return found[:2]

    def keep(self, key: Hashable, version: int, value: T, size: int) -> T:
        """Keep a value of so many bytes in the place of the one before it, and return it."""
        with self._lock:
            self._bytes += size - self._values.pop(key, (0, None, 0))[2]
            self._values[key] = version, value, size
            while self._bytes > self._most and len(self._values) > 1:
                self._bytes -= self._values.popitem(last=False)[1][2]
        return value
