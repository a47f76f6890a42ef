"""Uploaded files, kept where a worker can read them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from explorer import places


def keep(name: str, content: bytes) -> Path:
    """Write an uploaded file into the user's folder under its own name made harmless, in a folder named by its content."""
    folder = places.home() / "uploads" / hashlib.sha256(content).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^\w.\-]+", "_", Path(name).name).lstrip(".") or "upload")
    path.write_bytes(content)
    return path
