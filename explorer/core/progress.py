"""How long work says where it is: a function that it calls, and through which it is ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int, str], None]
"""`progress(done, total, message)`: called at each step; raises when the work is to end."""


def quiet(done: int, total: int, message: str) -> None:
    """Progress that nobody looks at."""
