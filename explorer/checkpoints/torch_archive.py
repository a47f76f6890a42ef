"""What torch.save writes, read without running any of it.

The file is a zip around a pickle. torch.load(weights_only=True) runs no foreign code, but a small file can still ask it for a lot of
memory. So members must be stored uncompressed and fit into the file, and pickles that name a function able to multiply memory, or that
nest without end, are not loaded. Storages are mapped (`mmap=True`) and not read into memory: the other path believes the length that the
pickle claims for a storage, a mapping ends where the file ends. It also leaves the optimizer's state, often two thirds of a file, on the disk.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from explorer.core.errors import Refused
from explorer.core.files import listed, malformed, name_of, short, system

if TYPE_CHECKING:
    from torch import Tensor

_PICKLE_LIMIT = 64 * 2**20  # of data.pkl; that of a network of 10 000 tensors has 2 MB
_DEPTH_LIMIT = 100  # of tuples within tuples; a tensor has 2
_NESTED = (  # where training scripts put the weights; the first that is there is taken, a moving average of them only where there is nothing else
    *("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params", "model_state", "network_state_dict"),
    *("ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "params_ema", "ema"),
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
SAVE_AGAIN = "Save it again with torch.save(model.state_dict(), …)"


@dataclass(frozen=True)
class Archive:
    """The tensors of one set of weights in a file, what was left aside, and under which keys there are other sets."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...]
    others: tuple[str, ...]


def read(path: Path, size: int, part: str = "") -> Archive:
    """The tensors of a file. `part`: the key of the set of weights that is meant, "" for the usual one."""
    import torch

    name = name_of(path)
    with system(path, "read"), malformed(path, f"{SAVE_AGAIN}, or copy it again."):
        _check_zip(path, size)
        unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        if unsafe:
            raise Refused(f"{name} tries to run or build {listed(sorted(unsafe))}, which weights do not need; none of it was run. {SAVE_AGAIN}.")
        loaded: object = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return _find(loaded, name, part)


def _check_zip(path: Path, size: int) -> None:
    """Refused unless the file is a zip as torch.save writes it, whose members cannot grow and whose pickle cannot either."""
    name = name_of(path)
    with path.open("rb") as file:
        start = file.read(8)
    if start[:1] == b"\x80" or b"ustar" in start:
        raise Refused(
            f"{name} is a pickle in the format before torch 1.6, which is not supported. If you trust it, load it elsewhere and save the state dict again with torch.save."
        )
    if start[:4] != b"PK\x03\x04":
        raise Refused(f"{name} is damaged or was not written by torch.save (it is not a zip). {SAVE_AGAIN}, or copy it again.")
    with zipfile.ZipFile(path) as archive:
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
        _check_opcodes(archive.read(f"{root}/data.pkl"), name)


def _check_member(member: zipfile.ZipInfo, root: str, name: str) -> None:
    inside = member.orig_filename  # as stored; `filename` has been tidied
    if not root or not inside.startswith(f"{root}/") or ".." in inside.split("/") or "\\" in inside or "\0" in inside:
        raise Refused(f"{name} has a member outside its folder ({short(inside)}), which torch.save never writes. {SAVE_AGAIN}.")
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size or member.flag_bits & 1:
        raise Refused(f"{name} has compressed members ({short(inside)}), which torch.save never writes. {SAVE_AGAIN}.")


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
            raise Refused(f"{name} was saved with pickle protocol {argument}; 2 is expected, torch.save's own. {SAVE_AGAIN}.")
        if opcode.name == "GLOBAL" and (what := _UNWANTED.get(str(argument).rpartition(" ")[2])):
            raise Refused(f"{name} holds {what}; dense tensors by name are expected. {SAVE_AGAIN}.")
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
                raise Refused(f"{name} nests its values in a way that weights do not need. {SAVE_AGAIN}.")
            stack[start:] = [depth] * len(opcode.stack_after)


def _find(loaded: object, name: str, part: str) -> Archive:
    """The mapping of tensors in what was saved, at the top or under one of the usual keys, or under the one that is meant; the rest is noted."""
    import torch

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
        if beside := [k for k in found if k != key and k not in sets]:
            notes.append(f"ignored beside '{key}': {listed(beside)}")
        found = _entries(found[key])
    tensors = {k: v for k, v in (found or {}).items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    every += _sets(found or {})
    if wanted or (every and not tensors):
        known = ", ".join(f"{name}#{short(k)}" for k in dict.fromkeys(every))
        raise Refused(
            f"{name} has no weights under {short(wanted)!r}. {f'Choose one of: {known}' if known else f'Say {name} alone'}."
            if wanted
            else f"{name} has several sets of weights, none under a usual name. Choose one of: {known}."
        )
    if not tensors:
        came = f"the entries {listed(found)}" if found else f"an object of the type {type(loaded).__name__}" if found is None else "nothing"
        raise Refused(f"{name} holds {came}; tensors by name are expected. {SAVE_AGAIN}.")
    if others:
        notes.append(f"other weights in it: choose them with {', '.join(f'{name}#{short(k)}' for k in others)}")
    if ignored := [k for k in found or {} if k not in tensors]:
        notes.append(f"ignored, not tensors: {listed(ignored)}")
    return Archive(tensors, tuple(notes), tuple(others))


def _sets(found: Mapping[object, object]) -> list[str]:
    """The keys under which there are weights: tensors by name that are more than single numbers, directly or under a usual key."""
    return [k for k, value in found.items() if isinstance(k, str) and _holds(value)]


def _holds(value: object, depth: int = 0) -> bool:
    import torch

    inside = _entries(value) or {}
    if any(isinstance(k, str) and isinstance(v, torch.Tensor) and v.dim() for k, v in inside.items()):
        return True
    return depth < 2 and any(_holds(inside.get(k), depth + 1) for k in _NESTED)


def _entries(value: object) -> dict[object, object] | None:
    return cast("dict[object, object]", value) if isinstance(value, dict) else None
