"""What is written: one .safetensors, or a folder with shards, their index, and the files that go with a model.

All sizes are known before the first value, so every tensor has its place and threads write in any order. Everything is written beside the goal under a
hidden name, brought to the disk, and renamed when all of it is there: whatever happens before, there is nothing under the goal's name. What a process that
was killed has left of its draft goes when the same goal is written next; whoever still writes holds a lock on the draft's folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import uuid4

from explorer.checkpoints.safetensors_header import BYTES
from explorer.checkpoints.sharded import INDEXES, SINGLE
from explorer.core import allowed_folders
from explorer.core.errors import Refused
from explorer.core.files import known, name_of, short, system
from explorer.merging.ingredients import KEPT, TIED, Dequantised
from explorer.merging.plan import Job, MergePlan
from explorer.merging.vocabularies import with_more

RECIPE = "mergekit_config.yml"  # where mergekit leaves the recipe in what it made
MODEL_FILES = ("config.json", "generation_config.json")
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt"),
    *("merges.txt", "chat_template.jinja", "chat_template.json", "spiece.model"),
)
NUMBERED_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json")
"""Of a vocabulary that has grown: those that number all its tokens, or none."""
COPIED_LIMIT = 2**28  # bytes of a file that is copied beside the weights


@dataclass(frozen=True)
class Shard:
    """One file: its header, and where the bytes of each tensor begin."""

    name: str
    header: bytes
    places: Mapping[str, int]
    size: int


def shards_of(jobs: Sequence[Job], metadata: Mapping[str, str], limit: int) -> list[Shard]:
    """The jobs' tensors in files of at most `limit` bytes of values each; a tensor that is larger alone has its own."""
    groups: list[list[Job]] = [[]]
    filled = 0
    for job in jobs:
        if groups[-1] and filled + job.nbytes > limit:
            groups.append([])
            filled = 0
        groups[-1].append(job)
        filled += job.nbytes
    if len(groups) == 1:
        return [_shard(SINGLE[0], groups[0], metadata)]
    return [_shard(f"model-{i:05}-of-{len(groups):05}.safetensors", group, metadata) for i, group in enumerate(groups, start=1)]


def _shard(name: str, jobs: Sequence[Job], metadata: Mapping[str, str]) -> Shard:
    said = {key: metadata[key] for key in KEPT if key in metadata}
    if TIED in said:  # an alias stands in the file of the tensor that it is another name of
        here = {job.name for job in jobs}
        tied = {alias: stored for alias, stored in cast("dict[str, str]", json.loads(said[TIED])).items() if stored in here}
        said = {k: v for k, v in said.items() if k != TIED} | ({TIED: json.dumps(tied)} if tied else {})
    table: dict[str, object] = {"__metadata__": said} if said else {}
    offset = 0
    offsets: dict[str, int] = {}
    for job in sorted(jobs, key=lambda j: -BYTES[j.dtype]):  # so that every one is aligned
        table[job.name] = {"dtype": job.dtype, "shape": list(job.shape), "data_offsets": [offset, offset + job.nbytes]}
        offsets[job.name] = offset
        offset += job.nbytes
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    header = struct.pack("<Q", len(text)) + text
    return Shard(name, header, {k: len(header) + v for k, v in offsets.items()}, len(header) + offset)


class Draft:
    """Files in the making, open for writing at any place."""

    def __init__(self, folder: Path, shards: Sequence[Shard]) -> None:
        self._handles: list[int] = []
        self._where: dict[str, tuple[int, int]] = {}
        self._folder = folder
        with system(folder, "written"):
            for shard in shards:
                handle = os.open(folder / shard.name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
                self._handles.append(handle)
                os.truncate(handle, shard.size)
                _write(handle, memoryview(shard.header), 0)
                self._where |= {name: (handle, place) for name, place in shard.places.items()}

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """Bytes of a tensor, from `offset` bytes of it on."""
        handle, place = self._where[name]
        with system(self._folder, "written"):
            _write(handle, data, place + offset)

    def sync(self) -> None:
        """All bytes to the disk."""
        with system(self._folder, "written"):
            for handle in self._handles:
                os.fsync(handle)

    def close(self) -> None:
        for handle in self._handles:
            os.close(handle)
        self._handles.clear()


def _write(handle: int, data: memoryview, place: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(handle, data[done:], place + done)


def refuse(out: Path, plan: MergePlan, *, force: bool) -> None:
    """Refused unless the result may be written there: nothing is there, or a model that may be replaced; and there is room for it."""
    if known(out) and out.suffix != ".safetensors":
        raise Refused(
            f"{name_of(out)} would be a file of another format. A merged model is written as NAME.safetensors, or as a folder of any other name."
        )
    with system(out, "written"):
        if not out.parent.is_dir():
            raise Refused(f"{name_of(out)} cannot be written: there is no folder {out.parent}. Create it first.")
        if os.path.lexists(out):
            if not force:
                raise Refused(f"{name_of(out)} exists already. Choose another name, or add --force to replace it.")
            for ingredient in plan.ingredients:
                adapter = [] if ingredient.adapter is None else [ingredient.adapter.path]
                inputs = [ingredient.path, *(s.path for s in ingredient.tensors.values()), *adapter]
                if any(p.resolve() == out.resolve() or out.resolve() in p.resolve().parents for p in inputs):
                    raise Refused(f"{name_of(out)} is, or contains, one of the models to merge. Choose another name for the result.")
            if out.is_symlink() or (out.is_dir() and not any((out / n).is_file() for n in (*SINGLE, *INDEXES))):
                raise Refused(f"{name_of(out)} is not a model's folder, and is not replaced. Choose another name.")
            if out.is_dir() == (out.suffix == ".safetensors"):
                raise Refused(
                    f"{name_of(out)} is {'a folder' if out.is_dir() else 'a file'}, and the result would be the other. Choose another name."
                )
        if (free := shutil.disk_usage(out.parent).free) < plan.bytes_written:
            raise Refused(f"{name_of(out)} needs {plan.bytes_written:,} bytes, and {free:,} are free there. Make room, or choose another folder.")


def sweep(out: Path) -> None:
    """Take away the drafts of this goal that nobody writes any more."""
    with suppress(OSError):
        for found in list(out.parent.iterdir()):
            if re.fullmatch(rf"\.{re.escape(out.name[:100])}\.[0-9a-f]{{32}}\.tmp", found.name) and (lock := _lock(found)) is not None:
                shutil.rmtree(found, ignore_errors=True)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """A handle on a folder by which it is locked until the handle is closed, or the process ends. None: somebody else has it, or none is to be had."""
    if os.name == "nt":  # Windows opens no folders
        return None
    import fcntl

    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


@contextmanager
def drafted(out: Path, plan: MergePlan, shard_bytes: int) -> Generator[Draft, None, None]:
    """A draft of the result. When the block ends without an error, all of it is given the goal's name; else nothing of it stays."""
    single = out.suffix == ".safetensors"
    shards = shards_of(plan.jobs, plan.ingredients[plan.config].metadata, 2**63 if single else shard_bytes)
    hidden = out.with_name(f".{out.name[:100]}.{uuid4().hex}.tmp")
    with system(out, "written"):
        hidden.mkdir()
    lock = _lock(hidden)
    try:
        draft = Draft(hidden, shards)
        try:
            yield draft
            draft.sync()
        finally:
            draft.close()
        if not single:
            _beside(hidden, plan, shards)
        with system(out, "written"):
            _folder_sync(hidden)
            _named(hidden / shards[0].name if single else hidden, out)
            _folder_sync(out.parent)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _named(made: Path, out: Path) -> None:
    """Under the goal's name; what has had it until now is put aside for the moment, and put back if that fails."""
    if not out.is_dir():
        made.replace(out)
        return
    aside = out.with_name(f".{out.name[:100]}.{uuid4().hex}.old")
    out.rename(aside)
    try:
        made.rename(out)
    except OSError:
        aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _beside(folder: Path, plan: MergePlan, shards: Sequence[Shard]) -> None:
    """The index, the configuration, the tokenizer and the recipe."""
    if len(shards) > 1:
        table = {name: shard.name for shard in shards for name in shard.places}
        for shard in shards:  # of tied tensors, the other names as well
            size = struct.unpack_from("<Q", shard.header)[0]
            said = json.loads(shard.header[8 : 8 + size]).get("__metadata__", {})
            table |= dict.fromkeys(json.loads(said.get(TIED, "{}")), shard.name)
        index = {"metadata": {"total_size": plan.bytes_written}, "weight_map": table}
        (folder / INDEXES[0]).write_text(json.dumps(index, indent=2), encoding="utf-8")
    copied = TOKENIZER_FILES if plan.vocabulary is None else NUMBERED_FILES
    for source, names in ((plan.config, MODEL_FILES), (plan.tokenizer, copied)):
        for name in names:
            file = plan.ingredients[source].folder / name
            if file.is_file():
                if file.stat().st_size > COPIED_LIMIT:
                    raise Refused(f"{short(name)} has more than {COPIED_LIMIT:,} bytes, and is not copied beside weights. Check the folder it is in.")
                data = allowed_folders.content(file)
                if name == MODEL_FILES[0]:
                    data = _config(data, plan)
                elif name == TOKENIZER_FILES[0] and plan.vocabulary is not None:
                    data = with_more(data, plan.vocabulary.more)
                (folder / name).write_bytes(data)
    if plan.recipe:
        (folder / RECIPE).write_text(plan.recipe, encoding="utf-8")
    for file in folder.iterdir():
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _config(text: bytes, plan: MergePlan) -> bytes:
    """The configuration, with the result's own number of layers and dtype, and without how its model was quantised."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(found, dict):
        return text
    config = cast("dict[str, object]", found)
    changed = dict(config)
    for keys, layers in (plan.layers or {}).items():
        for key in keys:
            changed = _set(changed, key.split("."), layers)
    if plan.vocabulary is not None and "vocab_size" in config:
        changed["vocab_size"] = plan.vocabulary.size
    if any(isinstance(s, Dequantised) for s in plan.ingredients[plan.config].tensors.values()):
        changed = {key: value for key, value in changed.items() if key not in ("quantization_config", "compression_config")}
    names = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
    kinds = {names[job.dtype] for job in plan.jobs if job.dtype in names}
    for key in ("torch_dtype", "dtype"):
        if key in config and len(kinds) == 1:
            (changed[key],) = kinds
    return text if changed == config else json.dumps(changed, indent=2).encode()


def _set(config: dict[str, object], key: list[str], value: int) -> dict[str, object]:
    """The configuration with a number under a key that it has; as it is where it has none."""
    if key[0] not in config:
        return config
    if len(key) == 1:
        return config | {key[0]: value}
    within = config[key[0]]
    return config | {key[0]: _set(cast("dict[str, object]", within), key[1:], value)} if isinstance(within, dict) else config


def _folder_sync(path: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
