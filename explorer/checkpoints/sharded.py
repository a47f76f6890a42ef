"""A checkpoint that is a folder: shards of one state dict, and the index that lists them, as transformers saves large models.

`model.safetensors.index.json` holds {"weight_map": {tensor: file}}. The folder is one checkpoint; its digest covers the index and the shards in order.
The index may come from anyone: it is read up to a size, the files it names must lie beside it, and each must be there. Imports nothing heavy.
Every path may end in what is chosen of the checkpoint (explorer.core.model_path).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from explorer.checkpoints import safetensors_header
from explorer.core import files, model_path
from explorer.core.allowed_folders import content
from explorer.core.errors import Refused
from explorer.core.files import listed, name_of, short, size_of, system

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")  # the first one found is taken
ADAPTED = "adapter_model.safetensors"
SINGLE = ("model.safetensors", "pytorch_model.bin")
LIMIT_BYTES = 2**26  # of an index; that of a model of 100 000 tensors has 10 MB
LIMIT_SHARDS = 1000
TOGETHER = 8  # files that are hashed at once

T = TypeVar("T")


@dataclass(frozen=True)
class Index:
    """The shards of a folder in natural order, and the names of the tensors that they must hold together."""

    path: Path
    shards: tuple[Path, ...]
    names: frozenset[str]


def index_of(path: str | os.PathLike[str]) -> Index | None:
    """What the index of a folder says; None for a file, or a folder without one. Refused when it is malformed or names a file that is not there."""
    path = model_path.parse(path).path
    with system(path, "read"):
        found = [path / name for name in INDEXES if (path / name).is_file()] if path.is_dir() else []
        if not found:
            return None
        if found[0].stat().st_size > LIMIT_BYTES:
            raise Refused(f"{found[0].name} has more than {LIMIT_BYTES:,} bytes, too large for an index of shards. Copy it again.")
        text = content(found[0])
    name = f"{name_of(path)}/{found[0].name}"
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{name} is not valid JSON: {short(str(error))}. Copy it again.") from error
    table = cast("dict[str, object]", parsed).get("weight_map") if isinstance(parsed, dict) else None
    if not isinstance(table, dict) or not table or not all(isinstance(v, str) for v in cast("dict[str, object]", table).values()):
        raise Refused(f"{name} has no 'weight_map' from tensors to files. Copy it again.")
    where = cast("Mapping[str, str]", table)
    if len(named := set(where.values())) > LIMIT_SHARDS:
        raise Refused(f"{name} names {len(named):,} files, and at most {LIMIT_SHARDS:,} are read. Save the model in larger shards.")
    suffix = ".safetensors" if found[0].name == INDEXES[0] else ".bin"
    if outside := sorted(s for s in named if not s.endswith(suffix) or s != Path(s).name or "\\" in s or "\0" in s or len(s) > 255):
        raise Refused(f"{name} names {short(outside[0])}, which is no {suffix} file beside it. Copy the folder again.")
    shards = sorted(named, key=files.natural)
    with system(path, "read"):
        missing = [s for s in shards if not (path / s).is_file()]
    if missing:
        raise Refused(f"{name_of(path)} lacks {listed(missing)}, of {len(shards)} files that its index names. Copy the folder again, whole.")
    return Index(found[0], tuple(path / s for s in shards), frozenset(where))


def checkpoints_at(path: str | os.PathLike[str]) -> list[Path]:
    """As files.checkpoints_at, and what transformers saved: a folder with an index is one checkpoint; in a folder of such folders each is one.

    A folder that holds a config.json and one file of weights counts by that file; what the Trainer saves beside it is no model. What is chosen of a folder is chosen of each in it.
    """
    chosen = model_path.parse(path)
    return [chosen.at(found) for found in _checkpoints_at(chosen.path)]


def _checkpoints_at(path: Path) -> list[Path]:
    if index_of(path) is not None:
        return [path]
    with system(path, "read"):
        inside = sorted(p for p in path.iterdir() if not p.name.startswith(".") and p.is_dir()) if path.is_dir() else []
        saved = [found for folder in inside if (found := _saved(folder)) is not None]
        single = files.inside(path) if path.is_dir() else []
        twice = (
            [path / name for name in SINGLE if path / name in single][1:] if (path / "config.json").is_file() else []
        )  # one model, in both formats
    if not saved and not twice:
        return files.checkpoints_at(path)
    single = [p for p in single if p not in twice]
    return sorted([*single, *saved], key=lambda p: (files.natural(name_for(p)), str(p)))


def name_for(path: Path) -> str:
    """What a checkpoint is called: by its file, and by its folder where the file has the name that transformers gives to all."""
    chosen = model_path.parse(path)
    path = chosen.path
    name = (path.parent.name if path.name in SINGLE and path.parent.name else path.name if path.is_dir() else path.stem) + chosen.ending
    return name if chosen.adapter is None else f"{name}+{chosen.adapter.name}"


def family_folder(path: str | os.PathLike[str]) -> Path:
    """The folder in which a checkpoint lies among its like: that of its file, or, where transformers saved it into a folder of its own, that of this folder."""
    chosen = model_path.parse(path).path
    return chosen.parent.parent if chosen.name in SINGLE and chosen.parent.name else chosen.parent


def _saved(folder: Path) -> Path | None:
    """What transformers saved into a folder: the folder itself where there are shards, else its only file of weights."""
    if any((folder / name).is_file() for name in INDEXES):
        return folder
    return next((folder / name for name in SINGLE if (folder / name).is_file()), None) if (folder / "config.json").is_file() else None


def digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 in hex of a file's bytes; of a folder of shards, of the names and digests of its index and shards; of what is chosen, of that and the choice."""
    chosen = model_path.parse(path)
    whole = _digest(chosen.path)
    said = chosen.ending + ("" if chosen.adapter is None else f"+{_of_adapter(chosen.adapter)}")
    return hashlib.sha256(f"{whole}{said}".encode("utf-8", "surrogateescape")).hexdigest() if said else whole


def _of_adapter(folder: Path) -> str:
    """The digests of the two files that an adapter is."""
    config, weights = _adapter_files(folder)
    with system(config, "read"):
        if config.stat().st_size > LIMIT_BYTES:
            raise Refused(f"{name_of(folder)}/{config.name} has more than {LIMIT_BYTES:,} bytes. Copy it again.")
        return hashlib.sha256(content(config)).hexdigest() + files.digest(weights)


def _adapter_files(folder: Path) -> tuple[Path, Path]:
    return folder / model_path.ADAPTER, folder / ADAPTED


def digests(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The digests of several, worked out side by side: hashing holds no lock."""
    return _side_by_side(digest, paths)


def _side_by_side(of: Callable[[T], str], paths: Sequence[T]) -> list[str]:
    with ThreadPoolExecutor(min(max(1, len(paths)), TOGETHER)) as threads:
        return [done.result() for done in [threads.submit(copy_context().run, of, path) for path in paths]]


def _digest(path: Path) -> str:
    index = index_of(path)
    if index is None:
        return files.digest(path)
    with system(index.path, "read"):
        lines = [f"{index.path.name}\0{hashlib.sha256(content(index.path)).hexdigest()}\n"]
    lines += [f"{shard.name}\0{content}\n" for shard, content in zip(index.shards, _side_by_side(files.digest, index.shards), strict=True)]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def stamp(path: str | os.PathLike[str]) -> str:
    """As files.stamp, for every file of every checkpoint at the path."""
    lines: list[str] = []
    for found in checkpoints_at(path):
        index = index_of(found)
        chosen = model_path.parse(found)
        changes = () if chosen.adapter is None else _adapter_files(chosen.adapter)
        for file in (*((chosen.path,) if index is None else (index.path, *index.shards)), *changes):
            with system(file, "read"):
                status = file.stat()
            lines.append(f"{file.name}/{status.st_size}/{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def bytes_at(path: str | os.PathLike[str]) -> int:
    """Bytes of a checkpoint: of the file, or of all shards of a folder."""
    index = index_of(path)
    return size_of(model_path.parse(path).path) if index is None else sizes(index)


def loaded_bytes(path: str | os.PathLike[str]) -> int:
    """Bytes of a checkpoint once it is in memory: those on the disk, but of what is to be dequantised four for each number at least."""
    chosen = model_path.parse(path)
    if not chosen.dequantise:
        return bytes_at(path)
    index = index_of(chosen.path)
    files = (chosen.path,) if index is None else index.shards
    if any(f.suffix.lower() != ".safetensors" for f in files):
        return 4 * bytes_at(path)
    return sum(max(4 * t.numel, t.nbytes) for f in files for t in safetensors_header.read(f).tensors.values())


def sizes(index: Index) -> int:
    """Bytes of all shards together."""
    return sum(map(size_of, index.shards))
