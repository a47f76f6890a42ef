"""Corners that stay on their disk: every tensor is read from the mapped file when it is asked for, and let go again.

A mixture is made tensor by tensor, straight into the network's own (weights.mix), so a landscape of models that do not fit into memory together needs one
network, one tensor, and what the samples take; the system's cache keeps as much of the files as there is room for. For `.safetensors`, one file or
shards, that hold the network's tensors under the network's names; anything else is read whole.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, cast

from explorer.checkpoints import lora, names, quantised, safetensors_header, sharded
from explorer.checkpoints.lora import Change
from explorer.checkpoints.safetensors_header import TIED, TYPES, Stored
from explorer.core import model_path
from explorer.core.errors import Refused
from explorer.core.files import name_of

if TYPE_CHECKING:
    from torch import Tensor

HELD = 2**26  # bytes that are read before their memory is given back; the system's cache still has them


class Streamed(Mapping[str, "Tensor"]):
    """Weights by state_dict name, on the CPU, not to be written to. `open_lazily` makes it. Refused as soon as somebody has written to a file meanwhile.

    `nbytes`: of all tensors. `stamp`: what tells these files from others, and from themselves once they are written to; None where they are changed as they are read.
    """

    def __init__(self, where: Mapping[str, Stored], changes: Mapping[str, Change] = MappingProxyType({})) -> None:
        self._where = where
        self._changes = changes
        self._files: dict[Path, mmap.mmap] = {}
        self._held: dict[Path, tuple[BinaryIO, int, int]] = {}  # of each file its size and when it was written to, when it was opened
        self._read = 0  # bytes since memory was given back
        self.nbytes = sum(stored.nbytes for stored in where.values())
        stamps: list[tuple[str, int, int, int]] = []
        for path, stored in sorted({stored.path: stored for stored in where.values()}.items()):
            file = stored.opened()
            self._held[path] = file, *_written(file)
            self._files[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            stamps.append((str(path.resolve()), os.fstat(file.fileno()).st_ino, *_written(file)))
        self.stamp = None if changes else tuple(stamps)

    def __getitem__(self, name: str) -> Tensor:
        import torch

        stored = self._where[name]
        self.require_unchanged(stored.path)
        dtype = cast("torch.dtype", getattr(torch, TYPES[stored.dtype]))
        if not stored.numel:
            return torch.empty(stored.shape, dtype=dtype)
        if (read := self._read + stored.nbytes) > HELD:
            self.let_go()
            read = stored.nbytes
        self._read = read
        found = torch.frombuffer(self._files[stored.path], dtype=dtype, count=stored.numel, offset=stored.start).view(stored.shape)
        return lora.applied(found, self._changes[name]) if name in self._changes else found

    def place(self, name: str) -> object:
        """Equal for names of one tensor."""
        stored, change = self._where[name], self._changes.get(name)
        return stored.path, stored.start, stored.shape, None if change is None else (change.a.path, change.a.start, change.b.start)

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def require_unchanged(self, *paths: Path) -> None:
        """Refused when a file was written to since it was opened: what was read of it belongs to no checkpoint. All files, where none is named."""
        for path in paths or self._held:
            file, *written = self._held[path]
            if [*_written(file)] != written:
                raise Refused(f"{name_of(path)} was written to while it was read. Leave it alone, register it again, and try again.")

    def let_go(self) -> None:
        """Give back the memory in which the system holds what was read; it is read again when it is asked for."""
        for mapped in self._files.values():
            with suppress(AttributeError, OSError):  # not every system takes the advice
                mapped.madvise(mmap.MADV_DONTNEED)


def _written(file: BinaryIO) -> tuple[int, int]:
    """Not the time of its inode, which changes when the file gets another name as well."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def open_lazily(path: Path, shapes: Mapping[str, tuple[int, ...]], reals: Collection[str] = ()) -> Streamed | None:
    """The tensors of a checkpoint in the order of the shapes; None unless it is `.safetensors` and has exactly these names, ties resolved and renamed as
    `checkpoint_file.read` does, and shapes, and is not quantised: none of the `reals` is of whole numbers."""
    chosen = model_path.parse(path)
    index = sharded.index_of(chosen.path)
    files = (chosen.path,) if index is None else index.shards
    if chosen.ending or any(f.suffix.lower() != ".safetensors" for f in files) or quantised.described(chosen.path) is not None:
        return None
    found: dict[str, Stored] = {}
    metadata: dict[str, str] = {}
    with suppress(OSError, ValueError):
        for file in files:
            header = safetensors_header.read(file)
            found |= header.tensors
            metadata |= header.metadata
            ties = safetensors_header.ties(header.metadata, name_of(file)) if TIED in header.metadata else header.metadata
            found |= {alias: found[target] for alias, target in ties.items() if alias not in found and target in found}
        if found.keys() != shapes.keys() and chosen.adapter is None:
            found = _renamed(found, chosen.path, metadata)
        if any(found[name].dtype in quantised.WHOLE for name in reals if name in found):
            return None
        if found.keys() == shapes.keys() and all(stored.shape == shapes[name] for name, stored in found.items()):
            where = {name: found[name] for name in shapes}
            if chosen.adapter is None:
                return Streamed(where)
            adapter = lora.fitted(lora.read(chosen.adapter), shapes, sharded.name_for(path))
            changes = {
                n: c
                for name, c in adapter.changes.items()
                for n, stored in where.items()
                if (stored.path, stored.start) == (where[name].path, where[name].start)
            }
            return Streamed({**where, **adapter.whole}, changes)
    return None


def _renamed(found: Mapping[str, Stored], path: Path, metadata: Mapping[str, str]) -> dict[str, Stored]:
    """Without wrappers' prefixes, and as transformers calls them; {} where the names are meant as they stand, or two tensors would have one."""
    if names.EXACT in metadata:
        return {}
    said = names.read([*found], path, metadata, counter=names.COUNTER in found and found[names.COUNTER].numel == 1)
    called = {name: said.called.get(plain, plain) for name, plain in said.plain.items()}
    result = {new: found[name] for name, new in called.items() if new}
    return result if len(result) == sum(map(bool, called.values())) else {}
