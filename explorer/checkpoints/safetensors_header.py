"""What a .safetensors says of itself, without its values: names, types, shapes, and where each tensor's bytes lie.

The header may come from anyone. Its size is bounded, a name that stands for two tensors is refused, and safetensors itself checks the rest (offsets,
sizes, the file's length) before a number of it is believed. Imports nothing heavy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

from safetensors import safe_open

from explorer.core.allowed_folders import held_at, opened
from explorer.core.errors import Refused
from explorer.core.files import malformed, name_of, short, size_of, system

TIED = "explorer.tied"  # in the metadata: a JSON object {alias: stored name}
LIMIT = 2**24  # bytes of a header; that of a network of 100 000 tensors has 10 MB
BYTES = (
    {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1} | {f"{kind}{8 * n}": n for kind in "IU" for n in (1, 2, 4, 8)} | {"BOOL": 1}
)

TYPES = {  # as torch calls them
    **{
        "F64": "float64",
        "F32": "float32",
        "F16": "float16",
        "BF16": "bfloat16",
        "F8_E4M3": "float8_e4m3fn",
        "F8_E5M2": "float8_e5m2",
        "BOOL": "bool",
    },
    **{f"{kind}{n}": f"{name}{n}" for kind, name in (("I", "int"), ("U", "uint")) for n in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class Stored:
    """One tensor in a file: `dtype` as the format calls it (BF16), and the bytes from `start` on, counted from the beginning of the file.

    `mark`: what tells the file whose header said so from any other that its path leads to later; () where no header did.
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    mark: tuple[int, ...] = field(default=(), compare=False, kw_only=True)

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * BYTES[self.dtype]

    def opened(self) -> BufferedReader:
        """The file, open for reading, to be closed by the caller. Refused when it is another one than the header was read from, or was written to since."""
        file = opened(self.path)
        if self.mark and self.mark != _mark(file):
            file.close()
            raise Refused(f"{name_of(self.path)} was written to while it was read. Leave it alone, and try again.")
        return file


def _mark(file: BinaryIO) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Header:
    """The tensors of one file in the order in which their bytes lie, and what else the header says."""

    tensors: dict[str, Stored]
    metadata: dict[str, str]


def read(path: Path) -> Header:
    """The header of a file; Refused when it is no whole .safetensors."""
    name = name_of(path)
    if path.suffix.lower() != ".safetensors":
        raise Refused(
            f"{name} is not a .safetensors file, the only format that can be read in parts. Save it as one with safetensors.torch.save_file."
        )
    if size_of(path) == 0:
        raise Refused(f"{name} is empty (0 bytes). Copy or save it again.")
    with system(path, "read"), malformed(path, "Copy or save it again."), opened(path) as file:
        text, mark = start(file, name), _mark(file)
        with safe_open(held_at(file, path), framework="numpy"):  # checks the whole header against the file
            pass
        found = cast("dict[str, dict[str, object]]", json.loads(text))
    metadata = cast("dict[str, str]", found.pop("__metadata__", {}))
    tensors: dict[str, Stored] = {}
    for key, entry in found.items():
        dtype, shape = cast("str", entry["dtype"]), tuple(cast("list[int]", entry["shape"]))
        if dtype not in BYTES:
            raise Refused(f"{name}: {short(key)} has the type {short(dtype)}, which is not supported. Save it as F32, F16 or BF16.")
        tensors[key] = Stored(path, dtype, shape, 8 + len(text) + cast("list[int]", entry["data_offsets"])[0], mark=mark)
    return Header(dict(sorted(tensors.items(), key=lambda item: item[1].start)), metadata)


def ties(metadata: Mapping[str, str], name: str) -> dict[str, str]:
    """Which stored tensor each other name stands for, as `checkpoint_file.write` notes it; {} where nothing is noted. Refused when it is no such table."""
    found: object = None
    with suppress(ValueError, RecursionError):
        found = json.loads(metadata.get(TIED, "{}"))
    table = cast("dict[str, object]", found) if isinstance(found, dict) else None
    if table is None or not all(isinstance(stored, str) for stored in table.values()):
        raise Refused(f"{name} lists tied weights under {TIED!r} in a way that cannot be read. Write the file again.")
    return cast("dict[str, str]", table)


def put_in_order(path: Path) -> None:
    """Bring the metadata of a file that was just written into the order of its keys, in place: safetensors writes them in another order each time."""
    with path.open("r+b") as file:
        text = file.read(int.from_bytes(file.read(8), "little"))
        header = cast("dict[str, object]", json.loads(text))
        if isinstance(metadata := header.get("__metadata__"), dict):
            header["__metadata__"] = dict(sorted(cast("dict[str, str]", metadata).items()))
        ordered = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(ordered) > len(text):  # it has the same letters in another order
            raise ValueError("the header grew")
        file.seek(8)
        file.write(ordered.ljust(len(text)))


def start(file: BinaryIO, name: str) -> bytes:
    """The header's text, as it stands; Refused when it is vast, when it stands for a zip, or when a name is in it twice."""
    length = file.read(8)
    if length[:4] == b"PK\x03\x04":
        raise Refused(f"{name} is a zip, as torch.save writes it, under another name. Rename it to end in .pt.")
    text = file.read(min(int.from_bytes(length, "little"), LIMIT + 1))
    twice: list[str] = []

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                twice.append(key)
            found[key] = value
        return found

    if len(text) > LIMIT:
        raise Refused(f"{name} claims a header of more than {LIMIT:,} bytes; it is damaged or made to deceive. Copy or save it again.")
    with suppress(ValueError, RecursionError):  # what is no JSON, safetensors refuses in its own words
        json.loads(text, object_pairs_hook=once)
    if twice:
        raise Refused(f"{name} has {short(twice[0])!r} twice in its header, and only one can be meant. Write the file again.")
    return text
