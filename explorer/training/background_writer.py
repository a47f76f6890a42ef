"""A thread that carries out what it is handed, in order, from a queue of so many bytes: whoever hands it something never waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Work = TypeVar("Work")


class BackgroundWriter(Generic[Work]):
    """`carry_out(work)` for everything that is put, in one thread. To be used from one other thread.

    The thread starts with the first work and ends with `close`, after which it may start again. It does not hold up the end of the program.
    """

    def __init__(self, carry_out: Callable[[Work], None], limit_bytes: int) -> None:
        self._carry_out, self._limit_bytes = carry_out, limit_bytes
        self._queue: SimpleQueue[tuple[Work, int] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failed: deque[tuple[Work, Exception]] = deque()
        self._lock = threading.Lock()
        self._held = 0  # bytes, of what waits and of what is in progress

    def takes(self, size: int) -> bool:
        """Whether work of so many bytes fits in beside what is not finished; when nothing is left to do, any does."""
        return self._held == 0 or self._held + size <= self._limit_bytes

    def put(self, work: Work, size: int) -> None:
        """Hand something over."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="explorer-recorder", daemon=True)
            self._thread.start()
        with self._lock:
            self._held += size
        self._queue.put((work, size))

    def failure(self) -> tuple[Work, Exception] | None:
        """The next work that failed, and why; each is said once."""
        return self._failed.popleft() if self._failed else None

    def close(self) -> None:
        """Wait until everything is carried out, and end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, size = item
            try:
                self._carry_out(work)
            except Exception as error:  # all of them: `failure` hands it to the thread that can do something about it
                self._failed.append((work, error))
            del item, work  # before it says that there is room
            with self._lock:
                self._held -= size
