"""Which folders may be read: on one's own machine all of them, on behalf of a browser elsewhere only those named when the app was started.

`loss-explorer app --serve --root DIR` names them in `LOSS_EXPLORER_ROOTS`. A request carries them along (explorer.store.run_store), so whatever worker does it, in
whatever process, keeps to them too. A path counts by where it really leads: `..` and links are resolved, each time that something is opened.

Check and open are one step. Between a look at a path and its opening a link in it may be exchanged, so what counts is where the file lies that *was* opened: `opened` asks
the system for the place of the descriptor. Whoever reads a file on somebody's behalf reads from that, and who can only be given a path gets `held_at`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

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
    """Refused unless the path really leads into one of the folders, or to what the explorer ships or keeps itself. `opened` asks again, of the file."""
    limit = _in_force()
    if limit.roots is None:
        return
    if "\0" in str(path):
        raise Refused(f"{path.name!r} is not a path: it contains a zero character. Check its spelling.")
    _admit(os.path.realpath(path), path, limit)  # not Path.resolve, which raises where links lead in a circle


def admits(path: Path) -> bool:
    """Whether `admit` lets a path pass."""
    try:
        admit(path)
    except Refused:
        return False
    return True


def opened(path: Path) -> BufferedReader:
    """The regular file at a path, open for reading from its start, to be closed by the caller; OSError as from `open`.

    Refused when the file that was opened lies in none of the folders, wherever its path leads by now; or when it is a pipe or a device, which would block or never end.
    """
    limit = _in_force()
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if limit.roots is not None:
            _admit(_place(handle, path), path, limit)
        mode = os.fstat(handle).st_mode
        if not S_ISREG(mode):
            raise Refused(f"{path.name} is {'a folder' if S_ISDIR(mode) else 'not a regular file'}; a file is expected. Name one.")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def content(path: Path) -> bytes:
    """All bytes of the file at a path, as `opened` admits it."""
    with opened(path) as file:
        return file.read()


def held_at(file: BinaryIO, path: Path) -> Path:
    """A path to what is open already, while it is, for a library that takes no file. The path itself where the system names no descriptors (Windows)."""
    held = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd", str(file.fileno()))
    return held if held.exists() else path


def _in_force() -> _Limit:
    return _limit.get() or _Limit(named(), ())


def _admit(real: str, path: Path, limit: _Limit) -> None:
    roots = limit.roots or ()
    if not any(Path(real).is_relative_to(os.path.realpath(root)) for root in (*roots, *(limit.own or locations.own(locations.home())))):
        raise Refused(f"{path} is not in a folder that may be read here. Folders that may: {', '.join(roots) or 'none'}.")


def _place(handle: int, path: Path) -> str:
    """Where an open file lies, by the system's own account."""
    if sys.platform == "linux":
        return str(Path(f"/proc/self/fd/{handle}").readlink())
    if sys.platform == "darwin":
        import fcntl

        return os.fsdecode(fcntl.fcntl(handle, fcntl.F_GETPATH, b"\0" * 1024).rstrip(b"\0"))
    real = os.path.realpath(path)  # the best where a descriptor has no name: the path still leads to what was opened
    return real if os.path.samestat(os.fstat(handle), os.lstat(real)) else ""
