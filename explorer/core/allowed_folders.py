"""Which folders may be read: on one's own machine all of them, on behalf of a browser elsewhere only those named when the app was started.

`loss-explorer app --serve --root DIR` names them in `LOSS_EXPLORER_ROOTS`. A request carries them along (explorer.store.run_store), so whatever worker does it, in
whatever process, keeps to them too. A path counts by where it really leads: `..` and links are resolved, each time that something is opened.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from explorer.core import locations
from explorer.core.errors import Refused

VARIABLE = "LOSS_EXPLORER_ROOTS"


@dataclass(frozen=True)
class _Limit:
    roots: tuple[str, ...] | None
    own: tuple[Path, ...]


_limit: ContextVar[_Limit | None] = ContextVar("roots", default=None)


def named() -> tuple[str, ...] | None:
    """The folders this process was told to keep to; None: it may read all of them."""
    text = os.environ.get(VARIABLE)
    return None if text is None else tuple(part for part in text.split(os.pathsep) if part)


@contextmanager
def within(roots: Sequence[str] | None, home: Path) -> Generator[None, None, None]:
    """Whatever this thread reads meanwhile lies in these folders, or in those of the explorer itself, or is refused; None lifts every limit."""
    token = _limit.set(_Limit(None if roots is None else tuple(roots), locations.own(home)))
    try:
        yield
    finally:
        _limit.reset(token)


def admit(path: Path) -> None:
    """Refused unless the path really leads into one of the folders, or to what the explorer ships or keeps itself."""
    limit = _limit.get() or _Limit(named(), ())
    if limit.roots is None:
        return
    if "\0" in str(path):
        raise Refused(f"{path.name!r} is not a path: it contains a zero character. Check its spelling.")
    own = limit.own or locations.own(locations.home())
    real = Path(os.path.realpath(path))  # not Path.resolve, which raises where links lead in a circle
    if not any(real.is_relative_to(os.path.realpath(root)) for root in (*limit.roots, *own)):
        raise Refused(f"{path} is not in a folder that may be read here. Folders that may: {', '.join(limit.roots) or 'none'}.")


def admits(path: Path) -> bool:
    """Whether `admit` lets a path pass."""
    try:
        admit(path)
    except Refused:
        return False
    return True
