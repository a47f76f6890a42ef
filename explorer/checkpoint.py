"""Checkpoint files to weights and back; what is unsafe or malformed is refused in a sentence.

A file may come from anyone, so nothing in it is executed and nothing it claims is believed:

- `.safetensors` is data by design; only its shapes of size zero are bounded here.
- `.pt`, `.pth`, `.bin`, `.ckpt` are zips around a pickle. torch.load(weights_only=True) runs no foreign code, but a small
  file can still ask it for a lot of memory. So members must be stored uncompressed and fit into the file, and pickles that
  name a function able to multiply memory are not loaded. Storages are mapped (`mmap=True`): a mapping ends where the file
  ends, whatever the pickle claims, and the optimizer's state, often two thirds of a file, stays on the disk.
- Tensors are copied out of the mapping once, after all of them together proved to be no larger than the file explains.

Tied weights (two names, one memory) are one tensor object under both names. safetensors cannot hold that, so `write` stores
the tensor under its first name and lists the others in the header under `explorer.tied`, a JSON object {alias: stored name}.

torch is imported by the functions that need it: `files`, `digest` and `stamp` serve pages that never load it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EINVAL
from itertools import islice
from math import prod
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, Self, cast
from uuid import uuid4

from safetensors import SafetensorError, safe_open

from explorer.errors import Refused

if TYPE_CHECKING:
    from torch import Tensor

    class _SafeOpen(Protocol):
        """The part of safetensors.safe_open that is used, with the types that its stub leaves out."""

        def __enter__(self) -> Self: ...
        def __exit__(self, *raised: object) -> None: ...
        def keys(self) -> list[str]: ...
        def metadata(self) -> dict[str, str] | None: ...
        def get_tensor(self, name: str) -> Tensor: ...


SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
TIED = "explorer.tied"
EXACT = "explorer.names"  # present in files that `write` made: their names are meant as they stand, no prefix is stripped

LIMIT_BYTES = 32 * 2**30
_PICKLE_LIMIT = 64 * 2**20  # of data.pkl; that of a network of 10 000 tensors has 2 MB
_DEPTH_LIMIT = 100  # of tuples within tuples; a tensor has 2
_EMPTY_LIMIT = 2**31  # product of the other dimensions of a tensor that has no elements
_NESTED = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params")
_PREFIXES = ("module.", "model.", "_orig_mod.", "net.")
_DTYPES = frozenset(
    f"torch.{d}"
    for d in (
        *("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
        *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"),
    )
)
# Functions that weights_only admits, by their last name, and what they make: not weights, but any amount of memory out of a few
# bytes of pickle, or tensors whose insides torch does not check.
_UNWANTED: Mapping[str, str] = {
    "bytearray": "a bytearray",
    "encode": "encoded bytes",
    "_rebuild_device_tensor_from_cpu_tensor": "a tensor of a foreign device",
    "_rebuild_device_tensor_from_numpy": "a tensor of a foreign device",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_wrapper_subclass": "a wrapped tensor",
}
# What safetensors, zipfile, pickletools and torch.load raise on damaged bytes. Fuzzed; wide, and therefore only around those calls.
_MALFORMED = (
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
)
_SAVE_AGAIN = "Save it again with torch.save(model.state_dict(), …)"


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one file, and what the file said besides.

    `weights` by state_dict name, on the CPU, contiguous, in memory of their own; `metadata` is the header of a .safetensors;
    `notes` say what was stripped, restored or ignored.
    """

    weights: dict[str, Tensor]
    metadata: dict[str, str]
    path: Path
    notes: tuple[str, ...] = ()


def files(path: str | os.PathLike[str]) -> list[Path]:
    """The checkpoint file itself, or every checkpoint file directly in a folder, seed-2 before seed-10; hidden ones are skipped."""
    path = Path(path)
    with _system(path, "read"):
        if not S_ISDIR(path.stat().st_mode):
            _size(path)
            return [path]
        found = [p for p in path.iterdir() if _known(p) and not p.name.startswith(".") and p.is_file()]
    if not found:
        raise Refused(f"{_name(path)} holds no checkpoint ({', '.join(SUFFIXES)}). Choose the folder that the files lie in directly.")
    return sorted(found, key=lambda p: (_natural(p.name), p.name))


def digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hex."""
    path = Path(path)
    _size(path)
    with _system(path, "read"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(path: str | os.PathLike[str]) -> str:
    """16 hex digits that change when a checkpoint at the path is added, removed or written to: names, sizes and times, not bytes."""
    lines: list[str] = []
    for file in files(path):
        with _system(file, "read"):
            status = file.stat()
        lines.append(f"{file.name}/{status.st_size}/{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def read(path: str | os.PathLike[str], *, limit_bytes: int = LIMIT_BYTES) -> Checkpoint:
    """The weights in a checkpoint file; Refused when it is damaged, unsafe, larger than the limit, or holds none.

    The file is mapped while it is read: whoever replaces it meanwhile should write a new file and rename it, as `write` does.
    """
    path = Path(path)
    name, size = _name(path), _size(path)
    if size == 0:
        raise Refused(f"{name} is empty (0 bytes). Copy or save it again.")
    if size > limit_bytes:
        raise Refused(f"{name} has {size:,} bytes, more than the {limit_bytes:,} that are read. Save the weights alone, or raise the limit.")
    if path.suffix.lower() == ".safetensors":
        tensors, metadata = _read_safetensors(path)
        notes: list[str] = []
    else:
        tensors, notes = _read_pickle(path, size)
        metadata = {}
    if not tensors:
        raise Refused(f"{name} holds no tensors. {_SAVE_AGAIN}.")
    weights = _own(tensors, name, allowed=2 * size)
    _restore_ties(weights, metadata, name, notes)
    if metadata.pop(EXACT, None) is None:
        weights = _strip(weights, notes)
    return Checkpoint(weights, metadata, path, tuple(notes))


def write(
    path: str | os.PathLike[str],
    weights: Mapping[str, Tensor],
    metadata: Mapping[str, str] = MappingProxyType({}),
    *,
    replace: bool = False,
) -> None:
    """Weights to a .safetensors file, whole or not at all; an existing file is only overwritten with `replace`.

    Ties are kept (see the top of this file); `metadata` goes into the header, its keys `explorer.tied` and `explorer.names` are taken.
    """
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  (a PathLike without its parameter)

    path = Path(path)
    name = _name(path)
    if path.suffix.lower() != ".safetensors":
        raise Refused(f"{name} should end in .safetensors, the format that checkpoints are written in. Rename it.")
    if not weights:
        raise Refused(f"{name} would hold no tensors. Give at least one.")
    if taken := sorted({TIED, EXACT} & metadata.keys()):
        raise Refused(f"{name}: the metadata key {taken[0]!r} is the explorer's own. Choose another.")
    with _system(path, "written"):
        if not replace and os.path.lexists(path):
            raise Refused(f"{name} exists already. Choose another name, or ask to replace it.")
        if not path.parent.is_dir():
            raise Refused(f"{name} cannot be written: there is no folder {path.parent}. Create it first.")
    stored: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    seen: dict[object, str] = {}
    for key, tensor in weights.items():
        _admit(tensor, key, name)
        if (place := _place(tensor)) is not None and (first := seen.setdefault(place, key)) != key:
            tied[key] = first
            continue
        own = tensor.detach().to("cpu").resolve_neg().contiguous()
        alone = own.untyped_storage().nbytes() == own.nbytes
        stored[key] = own if alone else own.clone()
    header = {**metadata, EXACT: "exact"} | ({TIED: json.dumps(tied)} if tied else {})
    draft = path.with_name(f".{path.stem[:100]}.{uuid4().hex}.tmp")
    try:
        with _system(path, "written"):
            draft.touch()
            mode = draft.stat().st_mode  # as the umask has it; safetensors makes files that only their owner may read
            save_file(stored, draft, header)
            draft.chmod(mode)
            _sync(draft)
            draft.replace(path)
            _sync(path.parent)
    except SafetensorError as error:  # how it reports a full disk
        raise Refused(f"{name} cannot be written: {_short(str(error))}. Make room, or choose another folder.") from error
    finally:
        with suppress(OSError, ValueError):
            draft.unlink(missing_ok=True)


def check(weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], *, what: str) -> None:
    """Refused unless the weights have exactly a network's names and shapes; `what` is the weights' name, for the sentence."""
    differences: list[str] = []
    for name, shape in shapes.items():
        if name not in weights:
            differences.append(f"{_short(name)} is missing, {_shape(shape)} wanted")
        elif tuple(weights[name].shape) != tuple(shape):
            differences.append(f"{_short(name)} is {_shape(weights[name].shape)}, {_shape(shape)} wanted")
    differences += [f"{_short(n)} ({_shape(w.shape)}) is in no layer of the network" for n, w in weights.items() if n not in shapes]
    if differences:
        rest = len(differences) - 3
        more = f"; {rest} more {'differs' if rest == 1 else 'differ'}" if rest > 0 else ""
        raise Refused(
            f"{what} does not fit the network: {'; '.join(differences[:3])}{more}."
            " Choose a checkpoint of this architecture, or the problem that it was trained on."
        )


def finite(weights: Mapping[str, Tensor], what: str) -> None:
    """Refused when a value is NaN or infinite; `what` is the weights' name, for the sentence."""
    import torch

    for name, tensor in weights.items():
        if not tensor.is_floating_point():
            continue
        values = tensor.float() if tensor.element_size() == 1 else tensor  # float8 has no isfinite
        if bad := tensor.numel() - int(torch.isfinite(values).sum()):
            raise Refused(
                f"{what} has {bad:,} of {tensor.numel():,} values that are NaN or infinite in {_short(name)}; its training diverged or it"
                " was saved wrongly. Choose an earlier checkpoint."
            )


# --- the file itself ------------------------------------------------------------------------------------------------------


def _size(path: Path) -> int:
    """Bytes of a regular file with a known suffix. A pipe or a device would block or never end."""
    name = _name(path)
    with _system(path, "read"):
        status = path.stat()
    if S_ISDIR(status.st_mode):
        raise Refused(f"{name} is a folder, a checkpoint file is wanted. Choose a file inside.")
    if not S_ISREG(status.st_mode):
        raise Refused(f"{name} is not a regular file. Copy its content into one.")
    if not _known(path):
        raise Refused(f"{name} does not end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}. Choose a checkpoint, or rename it.")
    return status.st_size


@contextmanager
def _system(path: Path, done: str) -> Generator[None, None, None]:
    """What the operating system says about a path, as Refused."""
    try:
        yield
    except FileNotFoundError as error:
        raise Refused(f"{_name(path)} does not exist (in {path.parent}). Check the path.") from error
    except OSError as error:
        raise Refused(f"{_name(path)} cannot be {done}: {error.strerror or error}. Check the path and its permissions.") from error
    except ValueError as error:  # a null byte in the path
        if isinstance(error, Refused):
            raise
        raise Refused(f"{_name(path)} is not a path: {error}. Check what was typed.") from error


@contextmanager
def _malformed(path: Path, todo: str) -> Generator[None, None, None]:
    """What the readers and writers of formats say about bytes that are none of theirs, as Refused."""
    try:
        yield
    except Refused:
        raise
    except (*_MALFORMED, OSError) as error:
        if isinstance(error, OSError) and error.errno != EINVAL:  # the exception is a seek to where a damaged zip points
            raise
        reason = f": {_short(str(error))}" if isinstance(error, SafetensorError) else ""
        raise Refused(f"{_name(path)} is damaged or not what its ending says{reason}. {todo}") from error


def _sync(path: Path) -> None:
    """Bytes (or a folder's entries) to the disk, so that a crash leaves the old file or the new one."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- .safetensors ---------------------------------------------------------------------------------------------------------


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with _system(path, "read"), _malformed(path, "Copy or save it again."):
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                raise Refused(f"{_name(path)} is a zip, as torch.save writes it, under another name. Rename it to end in .pt.")
        with cast("_SafeOpen", safe_open(path, framework="pt", device="cpu")) as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118  (no Mapping)


def _restore_ties(weights: dict[str, Tensor], metadata: dict[str, str], name: str, notes: list[str]) -> None:
    """Names that the header ties to a stored tensor, added in place. Another writer's header says {alias: stored name} directly."""
    tied: dict[object, object] = {}
    if TIED in metadata:
        with suppress(ValueError, RecursionError):
            parsed: object = json.loads(metadata[TIED])
            tied = cast("dict[object, object]", parsed) if isinstance(parsed, dict) else {}
        if not tied or any(alias in weights or not isinstance(t, str) or t not in weights for alias, t in tied.items()):
            raise Refused(f"{name} lists tied weights under {TIED!r} that do not fit its tensors. Write the file again.")
        del metadata[TIED]
    else:
        tied = {alias: target for alias, target in metadata.items() if alias not in weights and target in weights}
        if tied:
            notes.append(f"tied to another tensor by the header: {_list(tied)}")
    weights.update({cast("str", alias): weights[cast("str", target)] for alias, target in tied.items()})


# --- torch.save -----------------------------------------------------------------------------------------------------------


def _read_pickle(path: Path, size: int) -> tuple[dict[str, Tensor], list[str]]:
    import torch

    name = _name(path)
    with _system(path, "read"), _malformed(path, f"{_SAVE_AGAIN}, or copy it again."):
        _check_zip(path, size)
        unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        if unsafe:
            raise Refused(f"{name} wants to run or build {_list(sorted(unsafe))}, which weights do not need; nothing of it was run. {_SAVE_AGAIN}.")
        loaded: object = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return _find(loaded, name)


def _check_zip(path: Path, size: int) -> None:
    """Refused unless the file is a zip as torch.save writes it, whose members cannot grow and whose pickle cannot either."""
    name = _name(path)
    with path.open("rb") as file:
        start = file.read(8)
    if start[:1] == b"\x80" or b"ustar" in start:
        raise Refused(
            f"{name} is a pickle in the format before torch 1.6, which is not read. Load it where you trust it, and save the state dict again with torch.save."
        )
    if start[:4] != b"PK\x03\x04":
        raise Refused(f"{name} is damaged or was not written by torch.save (it is no zip). {_SAVE_AGAIN}, or copy it again.")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        root = members[0].orig_filename.partition("/")[0] if members else ""
        for member in members:
            _check_member(member, root, name)
        if len({m.orig_filename.casefold() for m in members}) < len(members):
            raise Refused(f"{name} holds two members of one name, which torch.save never writes. {_SAVE_AGAIN}.")
        if (declared := sum(m.file_size for m in members)) > size:
            raise Refused(f"{name} has {size:,} bytes and declares {declared:,} inside: it is damaged or made to deceive. {_SAVE_AGAIN}.")
        if f"{root}/constants.pkl" in archive.namelist():
            raise Refused(f"{name} is a TorchScript program, and weights are wanted. {_SAVE_AGAIN}.")
        if archive.getinfo(f"{root}/data.pkl").file_size > _PICKLE_LIMIT:
            raise Refused(f"{name} holds more than {_PICKLE_LIMIT:,} bytes beside its tensors. {_SAVE_AGAIN}.")
        _check_opcodes(archive.read(f"{root}/data.pkl"), name)


def _check_member(member: zipfile.ZipInfo, root: str, name: str) -> None:
    inside = member.orig_filename  # as stored; `filename` has been tidied
    if not root or not inside.startswith(f"{root}/") or ".." in inside.split("/") or "\\" in inside or "\0" in inside:
        raise Refused(f"{name} has a member outside its folder ({_short(inside)}), which torch.save never writes. {_SAVE_AGAIN}.")
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size or member.flag_bits & 1:
        raise Refused(f"{name} has compressed members ({_short(inside)}), which torch.save never writes. {_SAVE_AGAIN}.")


def _check_opcodes(data: bytes, name: str) -> None:
    """Refused when the pickle is of a protocol that torch reads with a warning, names an unwanted function, or nests
    tuples deeply: hashing such a tuple, as the key of a dict, overruns the interpreter's stack.

    The pickle is a program for a stack machine; it is run here with the nesting of every value in place of the value.
    """
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[object, int] = {}
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "PROTO" and argument != 2:
            raise Refused(f"{name} was saved with pickle protocol {argument}; 2 is wanted, torch.save's own. {_SAVE_AGAIN}.")
        if opcode.name == "GLOBAL" and (what := _UNWANTED.get(str(argument).rpartition(" ")[2])):
            raise Refused(f"{name} holds {what}, and dense tensors by name are wanted. {_SAVE_AGAIN}.")
        if opcode.name == "MARK":
            marks.append(len(stack))
        elif "PUT" in opcode.name:
            memo[argument] = stack[-1]
        elif "GET" in opcode.name:
            stack.append(memo[argument])
        else:
            before = opcode.stack_before
            start = len(stack) - len(before)
            if pickletools.markobject in before:
                start = marks.pop() - before.index(pickletools.markobject)
            depth = 1 + max(stack[start:], default=0) if opcode.name.startswith("TUPLE") else 0
            if start < 0 or depth > _DEPTH_LIMIT:
                raise Refused(f"{name} nests its values in a way that weights do not need. {_SAVE_AGAIN}.")
            stack[start:] = [depth] * len(opcode.stack_after)


def _find(loaded: object, name: str) -> tuple[dict[str, Tensor], list[str]]:
    """The mapping of tensors in what was saved, at the top or under one of the usual keys; the rest is noted."""
    import torch

    notes: list[str] = []
    found = _entries(loaded)
    for _ in _NESTED:
        key = next((k for k in _NESTED if found and _entries(found.get(k))), None)
        if found is None or key is None:
            break
        if beside := [k for k in found if k != key]:
            notes.append(f"ignored beside '{key}': {_list(beside)}")
        found = _entries(found[key])
    tensors = {k: v for k, v in (found or {}).items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    if not tensors:
        came = f"the entries {_list(found)}" if found else f"an object of the type {type(loaded).__name__}" if found is None else "nothing"
        raise Refused(f"{name} holds {came}, and tensors by name are wanted. {_SAVE_AGAIN}.")
    if ignored := [k for k in found or {} if k not in tensors]:
        notes.append(f"ignored, not tensors: {_list(ignored)}")
    return tensors, notes


def _entries(value: object) -> dict[object, object] | None:
    return cast("dict[object, object]", value) if isinstance(value, dict) else None


# --- tensors --------------------------------------------------------------------------------------------------------------


def _own(tensors: Mapping[str, Tensor], name: str, *, allowed: int) -> dict[str, Tensor]:
    """Copies in memory of their own, tied ones once. All are checked before the first is copied.

    Views of one storage may overlap (a weight and its transpose), so they may need more than the file has, but not without end.
    """
    import torch

    places: dict[str, object] = {}
    needed: dict[object, int] = {}
    for key, tensor in tensors.items():
        _admit(tensor, key, name)
        place = places[key] = _place(tensor) or key
        needed[place] = tensor.nbytes
    if sum(needed.values()) > allowed:
        raise Refused(f"{name} unfolds to {sum(needed.values()):,} bytes of overlapping tensors, more than it can hold. {_SAVE_AGAIN}.")
    copies: dict[object, Tensor] = {}
    for key, tensor in tensors.items():
        if (place := places[key]) not in copies:
            copies[place] = tensor.detach().resolve_neg().clone(memory_format=torch.contiguous_format)
    return {key: copies[place] for key, place in places.items()}


def _admit(tensor: Tensor, key: str, name: str) -> None:
    """Refused unless the tensor is a plain dense one whose values are all there."""
    import torch

    if tensor.is_meta:
        fault = "has a shape and no values (it was saved from the meta device)"
    elif tensor.is_quantized:
        fault = "is quantised"
    elif tensor.is_nested or tensor.layout != torch.strided:
        fault = "is sparse or nested"
    elif type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        fault = f"is a {type(tensor).__name__}"
    elif str(tensor.dtype) not in _DTYPES:
        fault = f"has the type {str(tensor.dtype).removeprefix('torch.')}"
    elif tensor.numel() == 0 and prod(max(d, 1) for d in tensor.shape) > _EMPTY_LIMIT:
        fault = f"has no elements and the absurd shape {_shape(tensor.shape)}"
    elif tensor.numel() > tensor.untyped_storage().nbytes() // tensor.element_size():
        fault = f"is expanded: {_shape(tensor.shape)} on {tensor.untyped_storage().nbytes():,} bytes"
    else:
        return
    raise Refused(f"{name}: {_short(key)} {fault}; dense real tensors are wanted. Save it as one (dequantize, to_dense, contiguous).")


def _place(tensor: Tensor) -> object | None:
    """Equal for tensors that are the same memory read the same way; None for one without elements, which is nowhere."""
    if tensor.numel() == 0:
        return None
    return tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.is_neg()


def _strip(weights: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """Without the prefixes that wrappers put before every name."""
    while prefix := next((p for p in _PREFIXES if all(n.startswith(p) and n != p for n in weights)), None):
        weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
        notes.append(f"stripped the prefix '{prefix}'")
    return weights


# --- words ----------------------------------------------------------------------------------------------------------------


def _known(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _name(path: Path) -> str:
    return _short(path.name or str(path))


def _natural(name: str) -> list[tuple[str, int]]:
    return [(text.lower(), int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", name)]


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a scalar"


def _short(name: str) -> str:
    """A name fit for one line: control characters escaped, the middle of a very long one left out."""
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
    return plain if len(plain) <= 100 else f"{plain[:60]}…{plain[-30:]}"


def _list(names: Mapping[object, object] | Sequence[object]) -> str:
    shown = ", ".join(_short(str(n)) if isinstance(n, str | int) else type(n).__name__ for n in islice(names, 3))
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
