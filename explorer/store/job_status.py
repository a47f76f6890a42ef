"""How a request stands: derived from what happened to it, and the time it still takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from explorer.core.spec import Json, Request

State: TypeAlias = Literal["waiting", "running", "done", "failed", "stopped"]


@dataclass(frozen=True)
class Status:
    """A request and how it stands. `read` fetches what came of it, which may be megabytes: `result` does so once somebody asks."""

    id: str
    request: Request
    rank: int  # 1: urgent, -1: idle, 0: everything else
    state: State
    done: int
    total: int
    fresh: int  # points computed in this attempt; the rest was there before
    message: str
    error: str
    created: float
    started: float | None
    finished: float | None
    now: float
    expected: float | None = None  # seconds that it was expected to take
    roots: tuple[str, ...] | None = None  # the folders it may read, None for all (explorer.core.allowed_folders)
    owner: str = ""  # who asked for it first, "" for the operator (explorer.store.visitors)
    read: Callable[[], Json] = field(default=lambda: None, repr=False, compare=False)

    @cached_property
    def result(self) -> Json:
        """What came of it; None where there is nothing, or nothing yet."""
        return self.read()

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for it at this moment."""
        return self.rank > 0

    @property
    def seconds(self) -> float:
        """How long the present (or last) attempt has run."""
        return 0.0 if self.started is None else (self.finished or self.now) - self.started

    @property
    def left_s(self) -> float | None:
        """Seconds to go at the pace so far; None while there is no pace."""
        if self.state != "running" or not self.fresh:
            return None
        return self.seconds / self.fresh * max(self.total - self.done, 0)

    @property
    def active(self) -> bool:
        """Whether something is still going to happen."""
        return self.state in ("waiting", "running")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 1:
        return "a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
