"""Files as a page sees them, without loading anything: which endings count, whether something changed, where an upload goes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from explorer import places

EXTENSIONS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def stamp(path: Path) -> str:
    """Sizes and times of a file, or of a folder's checkpoints: another text when one of them has changed."""
    files = sorted(f for f in path.iterdir() if f.suffix in (*EXTENSIONS, ".toml")) if path.is_dir() else [path]
    parts = [f"{f.name}:{s.st_size}:{s.st_mtime_ns}" for f in files if (s := f.stat())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def keep_upload(name: str, content: bytes) -> Path:
    """Write an uploaded file into the user's folder, under its own name made harmless, beside others of the same content."""
    folder = places.home() / "uploads" / hashlib.sha256(content).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^\w.\-]+", "_", Path(name).name).lstrip(".") or "upload")
    path.write_bytes(content)
    return path
