"""Uploaded files, kept where a worker can read them."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.files import system

LIMIT_BYTES = 4 * 2**30  # of all uploads together


def keep(name: str, content: bytes) -> Path:
    """Write an uploaded file into the user's folder under its own name made harmless, in a folder named by its content.

    Refused when there is no room, or when all uploads together would take more than LIMIT_BYTES. The same file again takes no more room.
    """
    every = locations.home() / "uploads"
    folder = every / hashlib.sha256(content).hexdigest()[:16]
    path = folder / (re.sub(r"[^\w.\-]+", "_", Path(name).name).lstrip(".")[-200:] or "upload")
    with system(path, "written"):
        if path.is_file() and path.stat().st_size == len(content):
            return path
        if sum(p.stat().st_size for p in every.glob("*/*")) + len(content) > LIMIT_BYTES:
            raise Refused(f"Uploads may take {LIMIT_BYTES / 2**30:.3g} GiB together, and these would exceed that. Remove old ones from {every}.")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:  # whole or not at all, also when the disk is full
            try:
                part.write(content)
                part.flush()
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    return path
