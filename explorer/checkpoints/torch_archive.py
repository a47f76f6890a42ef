"""What torch.save writes, read without running any of it.

The file is a zip around a pickle. The pickle is read as plain data (inert_pickle.py): whatever it names stays a name, so a training checkpoint may hold
anything beside its weights, or be a whole module. Of all that, tensors alone are rebuilt, here, out of the few records that describe one; a module's are
found under its `_parameters`, `_buffers` and `_modules`. A file that names what runs programs is refused all the same: no checkpoint does.

A small file can claim a lot. So members must be stored uncompressed and fit into the file, and a tensor must lie within its storage, and that within its
member. Storages are mapped and not read into memory, which leaves the optimizer's state, often two thirds of a file, on the disk.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from explorer.checkpoints import flat_sets, inert_pickle
from explorer.checkpoints.inert_pickle import Named, Persistent, Record
from explorer.core.allowed_folders import held_at, opened
from explorer.core.errors import Refused
from explorer.core.files import listed, malformed, name_of, short, system

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_PICKLE_LIMIT = 64 * 2**20  # of data.pkl; that of a network of 10 000 tensors has 2 MB
_STEPS, _STEPS_EACH = 300_000, 200  # opcodes of a pickle, beside its tensors and for each; one with its place in an optimizer takes some 60
_NAMES_LIMIT, _LETTERS_LIMIT = 100_000, 2**24  # of tensors and modules within a module, and of their names together
_AXES = 64  # of a tensor; torch has no more
_NESTED = (  # where training scripts put the weights; the first that is there is taken, a moving average of them only where there is nothing else
    *("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params", "model_state", "network_state_dict"),
    *("ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "params_ema", "ema"),
)
# What describes a tensor, by the last part of its name; a view of a storage in torch's own words.
_VIEWS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")
_AROUND = ("_rebuild_parameter", "_rebuild_parameter_with_state")
_TYPED = "_rebuild_from_type_v2"
_PLAIN_TYPES = ("torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer")
# Tensors that are no weights as they stand.
_UNWANTED: Mapping[str, str] = {
    "_rebuild_device_tensor_from_cpu_tensor": "a tensor of a foreign device",
    "_rebuild_device_tensor_from_numpy": "a tensor of a foreign device",
    "_rebuild_meta_tensor_no_storage": "a tensor with a shape and no values (it was saved from the meta device)",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_wrapper_subclass": "a wrapped tensor",
}
_DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "complex32", "complex64", "complex128", "bool"),
    *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
)
_STORAGES: Mapping[str, str] = {
    **{"DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16", "BoolStorage": "bool"},
    **{"LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8"},
    **{"ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8"},
}
# No checkpoint needs these. They are not run either way: a file with one of them is made to do harm, and who has it should know.
_HARMFUL_MODULES = frozenset(
    {"os", "posix", "nt", "subprocess", "sys", "shutil", "socket", "pty", "ctypes", "runpy", "webbrowser", "importlib", "marshal", "commands"}
)
_HARMFUL_CALLS = frozenset({"eval", "exec", "execfile", "compile", "open", "__import__", "input", "breakpoint"})
SAVE_AGAIN = "Save it again with torch.save(model.state_dict(), …)"


@dataclass(frozen=True)
class Archive:
    """The tensors of one set of weights in a file, what was left aside, and under which keys there are other sets."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...]
    others: tuple[str, ...]


def read(path: Path, size: int, part: str = "") -> Archive:
    """The tensors of a file. `part`: the key of the set of weights that is meant, "" for the usual one."""
    name = name_of(path)
    with system(path, "read"), malformed(path, f"{SAVE_AGAIN}, or copy it again."), opened(path) as file:
        data, members = _check_zip(file, size, name)
        limit = _STEPS + _STEPS_EACH * len(members)
        try:
            loaded, names = inert_pickle.read(data, limit)
        except inert_pickle.TooLong as error:
            raise Refused(f"{name} holds more than its tensors need: over {limit:,} steps to put it together. {SAVE_AGAIN}.") from error
        if harmful := [n for n in names if _is_harmful(n)]:
            raise Refused(f"{name} tries to run {listed(harmful)}, which weights do not need; none of it was run. {SAVE_AGAIN}.")
        found = _find(loaded, name, part)
        notes = list(found.notes)
        if left := [n for n in names if not _is_usual(n)]:
            notes.append(f"left as names, not built or run: {listed(left)}")
        tensors = _Tensors(held_at(file, path), file, size, members, name)
        return Archive({key: tensors.of(record) for key, record in found.records.items()}, tuple(notes), found.others)


def _is_harmful(name: str) -> bool:
    module, _, called = name.rpartition(".")
    return module.partition(".")[0] in _HARMFUL_MODULES or (module in ("builtins", "__builtin__") and called in _HARMFUL_CALLS)


def _is_usual(name: str) -> bool:
    """Whether a name is of what tensors and the dicts around them are made of."""
    module, _, last = name.rpartition(".")
    return name in ("collections.OrderedDict", "torch.Size", *_PLAIN_TYPES) or (
        module in ("torch", "torch._utils", "torch._tensor", "torch.storage")
        and (last in _DTYPES or last in _STORAGES or last.startswith("_rebuild_"))
    )


def _check_zip(file: BinaryIO, size: int, name: str) -> tuple[bytes, dict[str, zipfile.ZipInfo]]:
    """The pickle and the other members by their names within the archive. Refused unless the file is a zip as torch.save writes it, whose members cannot grow."""
    start = file.read(8)
    if start[:1] == b"\x80" or b"ustar" in start:
        raise Refused(
            f"{name} is a pickle in the format before torch 1.6, which is not supported. If you trust it, load it elsewhere and save the state dict again with torch.save."
        )
    if start[:4] != b"PK\x03\x04":
        raise Refused(f"{name} is damaged or was not written by torch.save (it is not a zip). {SAVE_AGAIN}, or copy it again.")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        root = members[0].orig_filename.partition("/")[0] if members else ""
        inside = {m.orig_filename.removeprefix(f"{root}/") for m in members}
        if found := inside & {"constants.pkl", "archive_format"}:  # said first: torch.jit.save compresses its source
            kind = "a TorchScript program" if "constants.pkl" in found else "an exported program (.pt2)"
            raise Refused(f"{name} is {kind}; weights are expected. None of it was run. {SAVE_AGAIN}.")
        for member in members:
            _check_member(member, root, name)
        if len({m.orig_filename.casefold() for m in members}) < len(members):
            raise Refused(f"{name} holds two members of one name, which torch.save never writes. {SAVE_AGAIN}.")
        if (declared := sum(m.file_size for m in members)) > size:
            raise Refused(f"{name} has {size:,} bytes and declares {declared:,} inside: it is damaged or made to deceive. {SAVE_AGAIN}.")
        if archive.getinfo(f"{root}/data.pkl").file_size > _PICKLE_LIMIT:
            raise Refused(f"{name} holds more than {_PICKLE_LIMIT:,} bytes beside its tensors. {SAVE_AGAIN}.")
        data = archive.read(f"{root}/data.pkl")
        if data[:1] == b"\x80" and data[1:2] != b"\x02":
            raise Refused(f"{name} was saved with pickle protocol {data[1]}; 2 is expected, torch.save's own. {SAVE_AGAIN}.")
        inner = {m.orig_filename.removeprefix(f"{root}/"): m for m in members}
        if "byteorder" in inner and archive.read(inner["byteorder"]) != b"little":
            raise Refused(f"{name} was saved on a machine with the other byte order. {SAVE_AGAIN} on one like this.")
        return data, inner


def _check_member(member: zipfile.ZipInfo, root: str, name: str) -> None:
    inside = member.orig_filename  # as stored; `filename` has been tidied
    if not root or not inside.startswith(f"{root}/") or ".." in inside.split("/") or "\\" in inside or "\0" in inside:
        raise Refused(f"{name} has a member outside its folder ({short(inside)}), which torch.save never writes. {SAVE_AGAIN}.")
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size or member.flag_bits & 1:
        raise Refused(f"{name} has compressed members ({short(inside)}), which torch.save never writes. {SAVE_AGAIN}.")


@dataclass(frozen=True)
class _Found:
    """The records of the tensors of one set of weights, and as in Archive."""

    records: dict[str, Record]
    notes: tuple[str, ...]
    others: tuple[str, ...]


def _find(loaded: object, name: str, part: str) -> _Found:
    """The mapping of tensors in what was saved, at the top or under one of the usual keys, or under the one that is meant; the rest is noted."""
    notes: list[str] = []
    others: list[str] = []
    every: list[str] = []
    found, wanted = _entries(loaded), part
    for _ in _NESTED:
        sets = _sets(found or {})
        key = wanted if wanted in sets else next((k for k in _NESTED if found and _entries(found.get(k))), None)
        if found is None or key is None:
            break
        wanted = "" if key == wanted else wanted
        others += [k for k in sets if k != key]
        every += sets
        among = {*sets, key}
        if beside := [k for k in found if k not in among]:
            notes.append(f"ignored beside '{key}': {listed(beside)}")
        found = _entries(found[key])
    tensors = {k: v for k, v in (found or {}).items() if isinstance(k, str) and isinstance(v, Record) and _is_tensor(v)}
    every += _sets(found or {})
    ignored = [k for k in found or {} if k not in tensors]
    shapes = {k: _size_of(v) for k, v in tensors.items()}
    if (flat := flat_sets.chosen(shapes, wanted)) is not None:
        tensors = {new: tensors[k] for k, new in flat.names.items()}
        others, wanted = [*others, *flat.others], ""
    elif (usual := flat_sets.chosen(shapes, "")) is not None:
        every += usual.others
    if wanted or (every and not tensors):
        known = ", ".join(f"{name}#{short(k)}" for k in dict.fromkeys(every))
        raise Refused(
            f"{name} has no weights under {short(wanted)!r}. {f'Choose one of: {known}' if known else f'Say {name} alone'}."
            if wanted
            else f"{name} has weights, and none under a usual name. Choose one of: {known}."
        )
    if not tensors:
        came = f"the entries {listed(found)}" if found else f"an object of the type {short(_kind(loaded))}" if found is None else "nothing"
        raise Refused(f"{name} holds {came}; tensors by name are expected. {SAVE_AGAIN}.")
    if others:
        notes.append(f"other weights in it: choose them with {', '.join(f'{name}#{short(k)}' for k in others)}")
    if ignored:
        notes.append(f"ignored, not tensors: {listed(ignored)}")
    return _Found(tensors, tuple(notes), tuple(others))


def _sets(found: Mapping[object, object]) -> list[str]:
    """The keys under which there are weights: tensors by name that are more than single numbers, directly or under a usual key."""
    known: dict[int, bool] = {}  # one value may stand under many keys
    for value in found.values():
        if id(value) not in known:
            known[id(value)] = _holds(value)
    return [k for k, value in found.items() if isinstance(k, str) and known[id(value)]]


def _holds(value: object, depth: int = 0) -> bool:
    inside = _entries(value) or {}
    if any(isinstance(k, str) and isinstance(v, Record) and _is_tensor(v) and _view_of(v, 1) for k, v in inside.items()):
        return True
    return depth < 2 and any(_holds(inside.get(k), depth + 1) for k in _NESTED if k in inside)


def _kind(value: object) -> str:
    return value.name if isinstance(value, Record) else type(value).__name__


def _is_tensor(record: Record) -> bool:
    last = record.name.rpartition(".")[2]
    return record.name.startswith("torch.") and (last in _VIEWS or last in _AROUND or last == _TYPED or last in _UNWANTED)


def _view_of(record: Record, least: int = 0) -> Record | None:
    """The view of a storage that a tensor's record comes down to; None for another kind of tensor, or for one of fewer axes."""
    for _ in range(4):
        last, arguments = record.name.rpartition(".")[2], record.arguments
        if last in _VIEWS:
            return (
                record if len(arguments) >= 4 and isinstance(arguments[2], tuple) and len(cast("tuple[object, ...]", arguments[2])) >= least else None
            )
        if last in _AROUND and arguments and isinstance(arguments[0], Record):
            record = arguments[0]
        elif last == _TYPED and len(arguments) >= 3 and isinstance(kind := arguments[1], Named) and kind.name in _PLAIN_TYPES:
            made_by, given = arguments[0], arguments[2]
            if not (isinstance(made_by, Named) and isinstance(given, tuple)):
                return None
            record = Record(made_by.name, cast("tuple[object, ...]", given))
        else:
            return None
    return None


def _size_of(record: Record) -> tuple[int, ...]:
    """A tensor's shape as the file states it; () where it states none."""
    view = _view_of(record)
    size = view.arguments[2] if view is not None else ()
    sizes = cast("tuple[object, ...]", size) if isinstance(size, tuple) else ()
    return tuple(n for n in sizes if isinstance(n, int)) if len(sizes) <= _AXES else ()


def _entries(value: object) -> dict[object, object] | None:
    """What is by name in a dict, or in a module: its parameters and buffers as its state_dict has them."""
    state = _module(value)
    return inert_pickle.inside(value) if state is None else _state_dict(state)


def _module(value: object) -> dict[object, object] | None:
    """The state of what would have been a module; None of anything else."""
    if not isinstance(value, Record):
        return None
    states = value.state if isinstance(value.state, tuple) else (value.state, *value.arguments[:1])
    for state in cast("tuple[object, ...]", states):
        if isinstance(state, dict) and "_parameters" in state and "_modules" in state:
            return cast("dict[object, object]", state)
    return None


def _state_dict(top: dict[object, object]) -> dict[object, object]:
    found: dict[object, object] = {}
    waiting, count, letters = [("", top)], 0, 0
    while waiting:
        prefix, state = waiting.pop()
        hidden = state.get("_non_persistent_buffers_set")
        listed_out = hidden.arguments[0] if isinstance(hidden, Record) and hidden.arguments and isinstance(hidden.arguments[0], list) else []
        left_out = {name for name in cast("list[object]", listed_out) if isinstance(name, str)}
        for kind in ("_parameters", "_buffers"):
            for name, tensor in (inert_pickle.inside(state.get(kind)) or {}).items():
                if tensor is not None and not (kind == "_buffers" and name in left_out):
                    found[full := f"{prefix}{name}"] = tensor
                    letters += len(full)
                    if letters > _LETTERS_LIMIT:
                        raise ValueError("names without end")
        children = [(f"{prefix}{name}.", child) for name, m in (inert_pickle.inside(state.get("_modules")) or {}).items() if (child := _module(m))]
        waiting += reversed(children)
        letters += sum(len(prefix) for prefix, _ in children)
        if (count := count + 1 + len(children)) > _NAMES_LIMIT or len(found) > _NAMES_LIMIT or len(prefix) > 10_000:
            raise ValueError("modules without end")
    return found


class _Tensors:
    """Rebuilds tensors on the mapped file; the same record is the same tensor."""

    def __init__(self, path: Path, file: BinaryIO, size: int, members: Mapping[str, zipfile.ZipInfo], name: str) -> None:
        import torch

        self.file, self.members, self.name = file, members, name
        self.whole = torch.UntypedStorage.from_file(str(path), False, size)
        self.dtypes = {dtype: cast("torch.dtype", getattr(torch, dtype)) for dtype in _DTYPES}
        self.storages: dict[str, torch.UntypedStorage] = {}
        self.made: dict[int, Tensor] = {}

    def of(self, record: Record) -> Tensor:
        """The tensor of a record; Refused when it is none that weights are. ValueError when it does not lie within its storage."""
        if id(record) not in self.made:
            self.made[id(record)] = self._made(record)
        return self.made[id(record)]

    def _made(self, record: Record) -> Tensor:
        import torch

        if (view := _view_of(record)) is None:
            last = record.name.rpartition(".")[2]
            kind = record.arguments[1] if last == _TYPED and len(record.arguments) > 1 else None
            what = f"a {short(kind.name)}" if isinstance(kind, Named) else _UNWANTED.get(last, "a tensor of an unknown kind")
            raise Refused(f"{self.name} holds {what}; dense tensors by name are expected. {SAVE_AGAIN}.")
        storage, offset, size, stride, *rest = view.arguments
        if not (isinstance(storage, Persistent) and len(storage.key) >= 5 and isinstance(size, tuple) and isinstance(stride, tuple)):
            raise ValueError("a tensor without a storage")
        sizes, strides = cast("tuple[object, ...]", size), cast("tuple[object, ...]", stride)
        if max(len(sizes), len(strides)) > _AXES:
            raise ValueError("a tensor of too many axes")
        first, many, steps = _count(offset), [_count(n) for n in sizes], [_count(n) for n in strides]
        _, kind, key, _, count = storage.key[:5]
        if not (isinstance(kind, Named) and isinstance(key, str)):
            raise ValueError("a storage without a name")
        last = kind.name.rpartition(".")[2]
        if view.name.endswith("_v3"):
            dtype = rest[2].name.rpartition(".")[2] if len(rest) > 2 and isinstance(rest[2], Named) else ""
        else:
            dtype = _STORAGES.get(last, "")
        if dtype not in self.dtypes or last not in _STORAGES:
            raise Refused(f"{self.name} holds a tensor of the type {short(dtype or last)}; real numbers are expected. {SAVE_AGAIN}.")
        memory = self._storage(key, _count(count) * self.dtypes[_STORAGES[last]].itemsize)
        reach = first + sum((n - 1) * step for n, step in zip(many, steps, strict=True)) + 1 if all(many) else 0
        if reach > memory.nbytes() // self.dtypes[dtype].itemsize:
            raise ValueError("a tensor beyond its storage")
        tensor = torch.empty(0, dtype=self.dtypes[dtype]).set_(memory, first if reach else 0, many, steps)
        signs = rest[3 if view.name.endswith("_v3") else 2 :]
        negated = any(isinstance(s, dict) and cast("dict[object, object]", s).get("neg") is True for s in signs)
        return torch._neg_view(tensor) if negated else tensor  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]

    def _storage(self, key: str, claimed: int) -> torch.UntypedStorage:
        if key not in self.storages:
            member = self.members[f"data/{key}"]
            self.file.seek(member.header_offset)
            header = self.file.read(30)
            start = member.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
            if header[:4] != b"PK\x03\x04" or start + member.file_size > self.whole.nbytes():
                raise ValueError("a member beyond the file")
            self.storages[key] = cast("torch.UntypedStorage", self.whole[start : start + member.file_size])  # pyright: ignore[reportInvalidCast]
        if claimed > self.storages[key].nbytes():
            raise ValueError("a storage beyond its member")
        return self.storages[key]


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError("a size that is none")
    return value
