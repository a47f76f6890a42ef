"""Corners that several fields share, opened once: models that are measured on one test set after the other.

Within `with open_once():` the corners that were opened last are held, and handed to the next field that has the same ones. Outside of it, and behind it,
nothing is held.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from explorer.core.spec import ProblemSpec, Recipe

if TYPE_CHECKING:  # the command line starts without torch
    from torch import Tensor

Corners: TypeAlias = "list[Mapping[str, Tensor]]"
Wanted: TypeAlias = tuple[ProblemSpec, tuple[Recipe, ...], str, bool]
"""What decides the corners: problem, recipes, device, and whether they go through to it."""


@dataclass
class _Held:
    wanted: Wanted | None = None
    corners: Corners | None = None


_held: ContextVar[_Held | None] = ContextVar("corners", default=None)


@contextmanager
def open_once() -> Generator[None]:
    """Hold what is opened, until the end of the outermost of these."""
    token = _held.set(_held.get() or _Held())
    try:
        yield
    finally:
        _held.reset(token)


def opened(wanted: Wanted, opening: Callable[[], Corners]) -> Corners:
    """What is held, or what opening it gives."""
    held = _held.get()
    if held is None:
        return opening()
    if held.corners is None or held.wanted != wanted:
        held.wanted, held.corners = None, None  # let go of before others are read
        held.wanted, held.corners = wanted, opening()
    return held.corners
