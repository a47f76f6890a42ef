"""Files as they lie on a disk: which are checkpoints, what tells one content from another, and what the system says, in a sentence.

Imports nothing heavy: pages use it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import struct
import time
import zipfile
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from errno import EINVAL, EROFS
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from safetensors import SafetensorError

from explorer.core.allowed_folders import admit, opened
from explorer.core.errors import Refused

# What transformers' Trainer and accelerate save beside a model, to go on training: no models, whatever their endings.
_TRAINING = re.compile(r"(optimizer|scheduler|scaler|sampler|training_args|rng_state)(_\d+)?\.(pt|pth|bin)", re.IGNORECASE)
_DIGITS = 300  # of a number in a name that are looked at
_SETTLED_NS = 2 * 10**9  # a file that was written to later than this may be written to again without its times showing it
_KEPT = 1000
_digests: dict[tuple[str | int, ...], str] = {}  # by what changes whenever a file is written to: its bytes are gone through once in a process
SUFFIXES = (".safetensors", ".pt", ".pth", ".pth.tar", ".bin", ".ckpt")


def checkpoints_at(path: str | os.PathLike[str]) -> list[Path]:
    """The checkpoint file itself, or every checkpoint file directly in a folder, seed-2 before seed-10; hidden ones are skipped."""
    path = Path(path)
    with system(path, "read"):
        if not S_ISDIR(path.stat().st_mode):
            size_of(path)
            return [path]
        found = inside(path)
    if not found:
        raise Refused(f"{name_of(path)} holds no checkpoint ({', '.join(SUFFIXES)}). Choose the folder that contains the files directly.")
    return sorted(found, key=lambda p: (natural(p.name), p.name))


def inside(folder: Path) -> list[Path]:
    """The checkpoint files directly in a folder, without what was saved beside a model to go on training it."""
    return [p for p in folder.iterdir() if known(p) and not p.name.startswith(".") and not _TRAINING.fullmatch(p.name) and p.is_file()]


def digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a checkpoint file's bytes, in hex."""
    path = Path(path)
    size_of(path)
    with system(path, "read"):
        return hashed(path)


def hashed(path: Path) -> str:
    """SHA-256 of any file's bytes, in hex; they are gone through once in a process, as long as the file is not written to."""
    with opened(path) as file:
        status = os.fstat(file.fileno())
        content = str(path.resolve()), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        if content in _digests:
            return _digests[content]
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS and os.fstat(file.fileno()).st_ctime_ns == status.st_ctime_ns:
            _digests[content] = found
            if len(_digests) > _KEPT:
                _digests.pop(next(iter(_digests)), None)
        return found


def stamp(path: str | os.PathLike[str]) -> str:
    """16 hex digits that change when a checkpoint at the path is added, removed or written to: names, sizes and times, not bytes."""
    lines: list[str] = []
    for file in checkpoints_at(path):
        with system(file, "read"):
            status = file.stat()
        lines.append(f"{file.name}/{status.st_size}/{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def size_of(path: Path) -> int:
    """Bytes of a regular file with a known suffix. A pipe or a device would block or never end."""
    name = name_of(path)
    with system(path, "read"):
        status = path.stat()
    if S_ISDIR(status.st_mode):
        raise Refused(f"{name} is a folder; a checkpoint file is expected. Choose a file inside.")
    if not S_ISREG(status.st_mode):
        raise Refused(f"{name} is not a regular file. Copy its content into one.")
    if path.suffix.lower() == ".pt2":
        raise Refused(
            f"{name} is an exported program, which can run code when it is opened; it was not. Save the state dict with torch.save, as .pt."
        )
    if not known(path):
        raise Refused(f"{name} does not end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}. Choose a checkpoint, or rename it.")
    return status.st_size


@contextmanager
def system(path: Path, done: str) -> Generator[None, None, None]:
    """What the operating system says about a path, as Refused; and whether it may be read at all (explorer.core.allowed_folders)."""
    try:
        if done == "read":
            admit(path)
        yield
    except FileNotFoundError as error:
        raise Refused(f"{name_of(path)} does not exist (in {path.parent}). Check the path.") from error
    except OSError as error:
        if error.errno == EROFS:
            raise Refused(
                f"{path} cannot be {done}: its disk may not be written to. Choose another folder; LOSS_EXPLORER_HOME names the explorer's."
            ) from error
        raise Refused(f"{name_of(path)} cannot be {done}: {error.strerror or error}. Check the path and its permissions.") from error
    except ValueError as error:  # a null byte in the path
        if isinstance(error, Refused):
            raise
        raise Refused(f"{name_of(path)} is not a path: {error}. Check its spelling.") from error


def known(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def name_of(path: Path) -> str:
    return short(path.name or str(path))


def natural(name: str) -> list[tuple[str, int]]:
    return [(text.lower(), int(digits[:_DIGITS] or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", name)]


def short(name: str) -> str:
    """A name fit for one line: control characters escaped, the middle of a very long one left out."""
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
    return plain if len(plain) <= 100 else f"{plain[:60]}…{plain[-30:]}"


def listed(names: Mapping[object, object] | Sequence[object]) -> str:
    shown = ", ".join(short(str(n)) if isinstance(n, str | int) else type(n).__name__ for n in islice(names, 3))
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


# Words in what safetensors says, the more particular first, and what they mean to who has the file.
_CAUSES = (
    ("fully covered", "bytes are missing at its end, or there are more than its header declares"),
    ("unknown variant", "a tensor has a type that is not known"),
    ("JSON", "its header cannot be read"),
    ("tensor", "its header and its tensors do not fit together"),
    ("header", "it does not begin with a header"),
)

# What safetensors, zipfile, pickletools and torch.load raise on damaged bytes. Fuzzed; wide, and therefore only around those calls.
_MALFORMED = (
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
)


@contextmanager
def malformed(path: Path, todo: str) -> Generator[None, None, None]:
    """What the readers and writers of formats say about bytes that are none of theirs, as Refused."""
    try:
        yield
    except Refused:
        raise
    except (*_MALFORMED, OSError) as error:
        if isinstance(error, OSError) and error.errno != EINVAL:  # the exception is a seek to where a damaged zip points
            raise
        reason = next((why for word, why in _CAUSES if word in str(error)), "") if isinstance(error, SafetensorError) else ""
        raise Refused(f"{name_of(path)} is damaged or not of the format its suffix says{reason and f': {reason}'}. {todo}") from error
