"""Weights of networks in memory as files in `home`, named by their content: what everything else sees of such a model is its file.

The folder is bounded: beyond `LIMIT_BYTES` the files that were longest not asked for go, but none that this process has asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.sharded import digest
from explorer.checkpoints.stored_types import holds_halves
from explorer.core import locations
from explorer.core.files import system
from explorer.core.spec import Loaded
from explorer.problems.live.source import bytes_of

LIMIT_BYTES = 32 * 2**30

_asked: set[Path] = set()


def kept(weights: Mapping[str, Tensor], name: str, home: Path) -> Loaded:
    """The recipe of a file that holds these weights; written where it is not there yet."""
    folder = home / locations.LIVE
    with system(folder, "made"):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_content(weights)}.safetensors"
    if path.exists():
        with suppress(OSError):
            os.utime(path)
    else:
        checkpoint_file.write(path, weights, replace=True)
    _asked.add(path)
    _bound(folder)
    return Loaded(digest(path), path=str(path.resolve()), name=name, half=holds_halves(path))


def _content(weights: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name, tensor in weights.items():
        found.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\0".encode())
        found.update(bytes_of(tensor))
    return found.hexdigest()[:32]


def _bound(folder: Path) -> None:
    files = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("*.safetensors")), reverse=True)
    room = LIMIT_BYTES
    for _, size, path in files:
        room -= size
        if room < 0 and path not in _asked:
            with suppress(OSError):
                path.unlink()
