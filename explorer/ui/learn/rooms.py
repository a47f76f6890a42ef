"""Rooms: a class predicts together, each on a phone, and the lecturer's screen counts.

A room is a code that is typed or scanned. What is kept of it are numbers: how often each choice of a question was made. They lie in the memory of this
process, for as long as the room is used, and nowhere else; who chose what is known to that person's browser alone.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from explorer.core.errors import Refused

LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without those that are read as another one
LENGTH = 4
MOST_ROOMS, MOST_VOTES = 32, 1000  # at a time; for one question
AGE_S = 4 * 3600.0  # since anybody led a room or voted in it: a phone that only looks does not keep it


@dataclass(frozen=True)
class Asked:
    """What a room is asked: a lesson, and whether its question may still be answered."""

    lesson: str
    open: bool


@dataclass
class _Room:
    key: str
    used: float
    asked: Asked | None = None
    counts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])


class Rooms:
    """All rooms of this process. Every method may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rooms: dict[str, _Room] = {}
        self._lock = threading.Lock()

    def open(self) -> tuple[str, str]:
        """A new room: its code, which everybody may know, and the key of who leads it. Refused while too many are open."""
        with self._lock:
            self._forget()
            if len(self._rooms) >= MOST_ROOMS:
                raise Refused(f"{MOST_ROOMS} rooms are open already, the most there may be. Close one; one that nobody uses closes after four hours.")
            code = ""
            while not code or code in self._rooms:
                code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
            self._rooms[code] = _Room(secrets.token_urlsafe(9), self._clock())
            return code, self._rooms[code].key

    def leads(self, code: str, key: str) -> bool:
        """Whether this is the key of that room."""
        with self._lock:
            room = self._find(code, used=True)
            return room is not None and secrets.compare_digest(room.key.encode(), key.encode())

    def close(self, code: str, key: str) -> None:
        """End a room and what was counted in it."""
        if self.leads(code, key):
            with self._lock:
                self._rooms.pop(code, None)

    def ask(self, code: str, key: str, lesson: str, choices: int, *, taking: bool) -> None:
        """Have the room predict the outcome of a lesson, one of so many choices, or, `taking` being over, predict no more."""
        if not self.leads(code, key):
            return
        with self._lock:
            if (room := self._find(code)) is not None:
                room.asked = Asked(lesson, taking)
                if len(room.counts.setdefault(lesson, [0] * choices)) != choices:  # somebody's lesson that was changed meanwhile
                    room.counts[lesson] = [0] * choices

    def asked(self, code: str) -> Asked | None:
        """What the room is asked at the moment; None where there is no such room, or nothing yet."""
        with self._lock:
            room = self._find(code)
            return room.asked if room is not None else None

    def there(self, code: str) -> bool:
        """Whether there is a room of that code."""
        with self._lock:
            return self._find(code) is not None

    def vote(self, code: str, lesson: str, choice: int, before: int | None = None) -> bool:
        """Count a choice, in place of the one that the same person made `before`. False, and nothing is counted, when the room does not ask that now."""
        with self._lock:
            room = self._find(code, used=True)
            if room is None or room.asked != Asked(lesson, open=True):
                return False
            counts = room.counts[lesson]
            known = before is not None and 0 <= before < len(counts) and counts[before] > 0
            if not 0 <= choice < len(counts) or (not known and sum(counts) >= MOST_VOTES):
                return False
            if before is not None and known:
                counts[before] -= 1
            counts[choice] += 1
            return True

    def counts(self, code: str, lesson: str) -> tuple[int, ...]:
        """How often each choice was made; empty where nobody was asked."""
        with self._lock:
            room = self._find(code)
            return tuple(room.counts.get(lesson, ())) if room is not None else ()

    def _find(self, code: str, *, used: bool = False) -> _Room | None:
        self._forget()
        room = self._rooms.get(code.upper())
        if room is not None and used:
            room.used = self._clock()
        return room

    def _forget(self) -> None:
        now = self._clock()
        self._rooms = {code: room for code, room in self._rooms.items() if now - room.used < AGE_S}
