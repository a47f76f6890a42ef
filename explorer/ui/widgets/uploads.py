"""Uploaded files, kept where a worker can read them."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.files import system

LIMIT_BYTES = 4 * 2**30  # of all uploads together


def keep_all(files: Sequence[tuple[str, bytes]]) -> Path:
    """Write (name, content) of files that were uploaded together into one folder named by all of them: the file, where there is one, else the folder.

    Refused as `keep` refuses, and where two files have one name."""
    if len(files) == 1:
        return keep(*files[0])
    names = [_harmless(name) for name, _ in files]
    if again := sorted({name for name in names if names.count(name) > 1}):
        raise Refused(f"Several of the uploads are called {', '.join(again)}. Rename them, or upload them one after the other.")
    together = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for _, content in files)).hexdigest()[:16]
    return [keep(name, content, folder=together).parent for name, content in files][-1]


def keep(name: str, content: bytes, *, folder: str = "") -> Path:
    """Write an uploaded file into the user's folder under its own name made harmless, in a folder named by its content, or by the one it came with.

    Refused when there is no room, or when all uploads together would take more than LIMIT_BYTES. The same file again takes no more room.
    """
    every = locations.home() / "uploads"
    place = every / (folder or hashlib.sha256(content).hexdigest()[:16])
    path = place / _harmless(name)
    with system(path, "written"):
        if path.is_file() and path.stat().st_size == len(content):
            return path
        if sum(p.stat().st_size for p in every.glob("*/*")) + len(content) > LIMIT_BYTES:
            raise Refused(f"Uploads may take {LIMIT_BYTES / 2**30:.3g} GiB together, and these would exceed that. Remove old ones from {every}.")
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=place, prefix=".", suffix=".tmp", delete=False
        ) as part:  # whole or not at all, also when the disk is full
            try:
                part.write(content)
                part.flush()
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    return path


def _harmless(name: str) -> str:
    return re.sub(r"[^\w.\-]+", "_", Path(name).name).lstrip(".")[-200:] or "upload"
