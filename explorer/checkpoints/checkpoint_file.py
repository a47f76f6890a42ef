"""Checkpoint files to weights and back; what is unsafe or malformed is refused in a sentence.

A file may come from anyone, so nothing in it is executed and nothing it claims is believed:

- `.safetensors` is data by design; only its shapes of size zero are bounded here.
- `.pt`, `.pth`, `.bin`, `.ckpt` are zips around a pickle: see torch_archive.py.
- A folder of shards is assembled as its index says: see sharded.py.
- Integers with scales are no weights: they are refused, or dequantised where that was chosen. See quantised.py.
- Tensors are copied out of the mapping once, after all of them together proved to be no larger than the file explains.

Tied weights (two names, one memory) are one tensor object under both names. safetensors cannot hold that, so `write` stores
the tensor under its first name and lists the others in the header under `explorer.tied`, a JSON object {alias: stored name}.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, cast
from uuid import uuid4

from safetensors import SafetensorError, safe_open

from explorer.checkpoints import flat_sets, lora, names, quantised, renaming, safetensors_header, sharded, torch_archive
from explorer.checkpoints.names import EXACT
from explorer.checkpoints.safetensors_header import TIED
from explorer.checkpoints.torch_archive import SAVE_AGAIN
from explorer.core import model_path
from explorer.core.allowed_folders import held_at, opened
from explorer.core.errors import Refused
from explorer.core.files import listed, malformed, name_of, short, size_of, system

if TYPE_CHECKING:
    from torch import Tensor

    class _SafeOpen(Protocol):
        """The part of safetensors.safe_open that is used, with the types that its stub leaves out."""

        def __enter__(self) -> Self: ...
        def __exit__(self, *raised: object) -> None: ...
        def keys(self) -> list[str]: ...
        def metadata(self) -> dict[str, str] | None: ...
        def get_tensor(self, name: str) -> Tensor: ...


Taken: TypeAlias = "Callable[[Tensor], Tensor]"
"""What is made of a tensor that lies in a mapped file."""

RENAMED = f"#{model_path.RENAMED}"

LIMIT_BYTES = 32 * 2**30
_EMPTY_LIMIT = 2**31  # product of the other dimensions of a tensor that has no elements
_DTYPES = frozenset(
    f"torch.{d}"
    for d in (
        *("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
        *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"),
    )
)


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one file, or of one folder of shards, and what the file said besides.

    `weights` by state_dict name, on the CPU, contiguous, in memory of their own; `metadata` is the header of a .safetensors;
    `path` ends in what was chosen, where that made a difference; `notes` say what was stripped, restored or ignored; `others` are the other sets of weights
    in the file, as they are chosen.
    """

    weights: dict[str, Tensor]
    metadata: dict[str, str]
    path: Path
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def read(path: str | os.PathLike[str], *, limit_bytes: int = LIMIT_BYTES) -> Checkpoint:
    """The weights in a checkpoint file, or in a folder of shards; Refused when it is damaged, unsafe, larger than the limit, quantised, or holds none.

    The path may end in what is chosen: `#state_dict_ema`, `#dequantised` (explorer.core.model_path).
    The file is mapped while it is read: whoever replaces it meanwhile should write a new file and rename it, as `write` does.
    """
    return _checkpoint(path, limit_bytes, _copied)


def outline(path: str | os.PathLike[str], *, limit_bytes: int = LIMIT_BYTES) -> Checkpoint:
    """As `read`, and Refused as it is, but what decides is the file's headers: the tensors are on the meta device, and have no values."""
    found = _checkpoint(path, limit_bytes, _outlined)
    without = {id(t): t.to("meta") for t in found.weights.values()}
    return replace(found, weights={name: without[id(t)] for name, t in found.weights.items()})


def _checkpoint(path: str | os.PathLike[str], limit_bytes: int, taken: Taken) -> Checkpoint:
    chosen = model_path.parse(path)
    path = chosen.path
    name, index = name_of(path), sharded.index_of(path)
    size = size_of(path) if index is None else sharded.sizes(index)
    if size > limit_bytes:
        raise Refused(f"{name} has {size:,} bytes, more than the {limit_bytes:,} that can be read. Save the weights alone, or raise the limit.")
    if index is None:
        weights, metadata, notes, others = _read_file(path, taken, chosen.part)
    else:
        weights, metadata, notes = _read_shards(index, taken)
        weights, others = _one_set(weights, chosen.part, name, notes)
    if (plan := quantised.plan(quantised.kinds_of(weights), path, dequantise=chosen.dequantise, byte=lambda n: int(weights[n]))) is not None:
        weights = quantised.undone(weights, plan)
        notes.append(f"dequantised, {len(plan.scaled):,} tensors: {plan.how}")
    else:
        chosen = replace(chosen, dequantise=False)  # nothing was to be done
    called: Mapping[str, str] = {}
    if metadata.pop(EXACT, None) is None:
        counter = names.COUNTER in weights and weights[names.COUNTER].numel() == 1
        found = names.read([*weights], path, metadata, counter=counter)
        notes += found.notes
        weights = _renamed({found.plain[n]: t for n, t in weights.items() if n in found.plain}, found.called, notes)
        called = {name: found.called.get(plain, plain) or plain for name, plain in found.plain.items()}
    if chosen.adapter is not None:
        change = lora.read(chosen.adapter)
        change = replace(
            change, changes={called.get(n, n): c for n, c in change.changes.items()}, whole={called.get(n, n): s for n, s in change.whole.items()}
        )
        weights = lora.adapted(weights, change, name)
        notes.append(f"with the adapter {name_of(chosen.adapter)}: {len(change.changes):,} tensors changed, {len(change.whole):,} replaced")
    return Checkpoint(weights, metadata, chosen.at(path), tuple(notes), others)


def others(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The other sets of weights in a checkpoint file, as they are chosen behind its path; no values are read. Nothing is said of a file that `read` refuses."""
    chosen = model_path.parse(path)
    with suppress(Refused):
        if chosen.path.is_file() and chosen.path.suffix.lower() != ".safetensors":
            return torch_archive.read(chosen.path, size_of(chosen.path), chosen.part).others
        index = sharded.index_of(chosen.path)
        headers = [safetensors_header.read(f) for f in ((chosen.path,) if index is None else index.shards) if f.suffix.lower() == ".safetensors"]
        shapes = {n: stored.shape for header in headers for n, stored in header.tensors.items()}
        exact = not chosen.part and any(EXACT in header.metadata for header in headers)
        return () if exact else flat_sets.only(shapes, chosen.part, name_of(chosen.path))[2]
    return ()


def _one_set(weights: dict[str, Tensor], part: str, name: str, notes: list[str]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Of weights in one mapping the set that is meant, and the keys of the others. Refused when a part is asked for that is not there."""
    names, said, others = flat_sets.only({n: tuple(t.shape) for n, t in weights.items()}, part, name)
    notes += said
    return {new: weights[n] for n, new in names.items()}, others


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
    name = name_of(path)
    if path.suffix.lower() != ".safetensors":
        raise Refused(f"{name} should end in .safetensors, the format that checkpoints are written in. Rename it.")
    if not weights:
        raise Refused(f"{name} would hold no tensors. Give at least one.")
    if taken := sorted({TIED, EXACT} & metadata.keys()):
        raise Refused(f"{name}: the metadata key {taken[0]!r} is the explorer's own. Choose another.")
    with system(path, "written"):
        if not replace and os.path.lexists(path):
            raise Refused(f"{name} exists already. Choose another name, or ask to replace it.")
        if not path.parent.is_dir():
            raise Refused(f"{name} cannot be written: there is no folder {path.parent}. Create it first.")
    stored: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    seen: dict[object, tuple[str, Tensor]] = {}  # held: nothing that is made meanwhile comes to lie where it lies
    for key, tensor in weights.items():
        _admit(tensor, key, name)
        if (place := _place(tensor)) is not None and (first := seen.setdefault(place, (key, tensor))[0]) != key:
            tied[key] = first
            continue
        own = tensor.detach().to("cpu").resolve_neg().contiguous()
        alone = own.untyped_storage().nbytes() == own.nbytes
        stored[key] = own if alone else own.clone()
    header = {**metadata, EXACT: "exact"} | ({TIED: json.dumps(tied)} if tied else {})
    draft = path.with_name(f".{path.stem[:100]}.{uuid4().hex}.tmp")
    try:
        with system(path, "written"):
            draft.touch()
            mode = draft.stat().st_mode  # as the umask has it; safetensors makes files that only their owner may read
            save_file(stored, draft, header)
            safetensors_header.put_in_order(draft)  # so that the same weights are the same file
            draft.chmod(mode)
            _sync(draft)
            draft.replace(path)
            _sync(path.parent)
    except SafetensorError as error:  # how it reports a full disk
        raise Refused(f"{name} cannot be written: {short(str(error))}. Make room, or choose another folder.") from error
    finally:
        with suppress(OSError, ValueError):
            draft.unlink(missing_ok=True)


def check(weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], *, what: str) -> None:
    """Refused unless the weights have exactly a network's names and shapes; `what` is the weights' name, for the sentence."""
    differences: list[str] = []
    for name, shape in shapes.items():
        if name not in weights:
            differences.append(f"{short(name)} is missing, {_shape(shape)} expected")
        elif tuple(weights[name].shape) != tuple(shape):
            differences.append(f"{short(name)} is {_shape(weights[name].shape)}, {_shape(shape)} expected")
    differences += [f"{short(n)} ({_shape(w.shape)}) belongs to no layer of the network" for n, w in weights.items() if n not in shapes]
    if differences:
        rest = len(differences) - 3
        more = f"; {rest} more {'differs' if rest == 1 else 'differ'}" if rest > 0 else ""
        todo = _other_names(weights, shapes) or "Choose a checkpoint of this architecture, or the problem that it was trained on."
        raise Refused(f"{what} does not fit the network: {'; '.join(differences[:3])}{more}. {todo}")


def _other_names(weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What to do where the weights have a network's shapes under other names; "" where they do not."""
    try:
        pairs = renaming.renaming({n: tuple(w.shape) for n, w in weights.items()}, shapes)
    except Refused as refusal:
        return str(refusal)
    return f"Its shapes are the network's in order ({renaming.shown(pairs)}): if it is this network, put {RENAMED} behind its path." if pairs else ""


def named_for(weights: dict[str, Tensor], shapes: Mapping[str, tuple[int, ...]], path: Path) -> tuple[dict[str, Tensor], str]:
    """The weights of a path under a network's names and in its order, where `#renamed` stands behind it; and what was renamed, "" for nothing.

    Refused when two orders fit.
    """
    if not model_path.parse(path).renamed:
        return weights, ""
    pairs = renaming.renaming({n: tuple(w.shape) for n, w in weights.items()}, shapes)
    if pairs is None:
        return weights, ""
    old = {new: name for name, new in pairs.items()}
    return {new: weights[old[new]] for new in shapes}, f"renamed in order: {renaming.shown(pairs)}"


def under_its_names(weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], *, what: str) -> None:
    """Refused when the weights have a network's shapes in order under other names, and nobody has said that they are its; as `check` says it."""
    if _other_names(weights, shapes):
        check(weights, shapes, what=what)


def finite(weights: Mapping[str, Tensor], what: str) -> None:
    """Refused when a value is NaN or infinite; `what` is the weights' name, for the sentence."""
    import torch

    for name, tensor in weights.items():
        if not tensor.is_floating_point():
            continue
        values = tensor.float() if tensor.element_size() == 1 else tensor  # float8 has no isfinite
        if torch.isfinite(values.sum(dtype=torch.promote_types(values.dtype, torch.float32))):  # one pass, and no memory
            continue
        if bad := tensor.numel() - int(torch.isfinite(values).sum()):
            raise Refused(
                f"{what} has {bad:,} of {tensor.numel():,} values that are NaN or infinite in {short(name)}; its training diverged or it"
                " was saved wrongly. Choose an earlier checkpoint."
            )


def _read_file(path: Path, taken: Taken, part: str = "") -> tuple[dict[str, Tensor], dict[str, str], list[str], tuple[str, ...]]:
    """The weights, header, notes and other sets of weights of one file, under the names that it gives."""
    name, size = name_of(path), size_of(path)
    if size == 0:
        raise Refused(f"{name} is empty (0 bytes). Copy or save it again.")
    notes: list[str] = []
    metadata: dict[str, str] = {}
    others: tuple[str, ...] = ()
    if path.suffix.lower() == ".safetensors":
        tensors, metadata = _read_safetensors(path)
        if part or EXACT not in metadata:
            tensors, others = _one_set(tensors, part, name, notes)
    else:
        archive = torch_archive.read(path, size, part)
        tensors, others = archive.tensors, archive.others
        notes += archive.notes
    if not tensors:
        raise Refused(f"{name} holds no tensors. {SAVE_AGAIN}.")
    weights = _own(tensors, name, taken, allowed=2 * size)
    _restore_ties(weights, metadata, name, notes)
    return weights, metadata, notes, others


def _read_shards(index: sharded.Index, taken: Taken) -> tuple[dict[str, Tensor], dict[str, str], list[str]]:
    """All shards together; Refused when a tensor is in two of them, or one that the index lists in none."""
    weights: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    notes = [f"assembled from {len(index.shards)} files"]
    for shard in index.shards:
        found, header, said, _ = _read_file(shard, taken)
        if twice := sorted(found.keys() & weights.keys()):
            raise Refused(f"{short(twice[0])} is in {name_of(shard)} and in another shard as well. Save the model again.")
        weights |= found
        metadata |= header
        notes += [f"{shard.name}: {n}" for n in said]
    if missing := sorted(index.names - weights.keys()):
        raise Refused(f"The shards do not hold {listed(missing)}, which {index.path.name} lists. Copy the folder again, whole.")
    if beside := sorted(weights.keys() - index.names):
        notes.append(f"not in the index: {listed(beside)}")
    return weights, metadata, notes


def _renamed(weights: dict[str, Tensor], called: Mapping[str, str], notes: list[str]) -> dict[str, Tensor]:
    """Under other names; Refused when two tensors that differ would have the same one."""
    import torch

    found: dict[str, Tensor] = {}
    twice: dict[str, None] = {}
    for name, tensor in weights.items():
        if not (new := called.get(name, name)):
            continue
        if new in found and (found[new].shape != tensor.shape or not (tensor.is_meta or torch.equal(found[new], tensor))):
            raise Refused(f"{short(name)} and {short(new)} are one weight by the config.json, and differ in the file. Set tie_word_embeddings there.")
        if new in found:
            twice[name] = None
        found[new] = tensor
    if changed := [f"{n} (now {called[n]})" for n in weights if called.get(n, n) not in (n, "") and n not in twice]:
        notes.append(f"renamed as transformers does: {listed(changed)}")
    if twice:
        notes.append(f"kept once, tied by the config.json: {listed([*twice])}")
    if ignored := [n for n in weights if called.get(n) == ""]:
        notes.append(f"ignored, as transformers does: {listed(ignored)}")
    return found


def _sync(path: Path) -> None:
    """Bytes (or a folder's entries) to the disk, so that a crash leaves the old file or the new one."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with system(path, "read"), malformed(path, "Copy or save it again."), opened(path) as file:
        safetensors_header.start(file, name_of(path))
        with cast("_SafeOpen", safe_open(held_at(file, path), framework="pt", device="cpu")) as found:
            return {name: found.get_tensor(name) for name in found.keys()}, dict(found.metadata() or {})  # noqa: SIM118  (no Mapping)


def _restore_ties(weights: dict[str, Tensor], metadata: dict[str, str], name: str, notes: list[str]) -> None:
    """Names that the header ties to a stored tensor, added in place. Another writer's header says {alias: stored name} directly."""
    if TIED in metadata:
        tied = safetensors_header.ties(metadata, name)
        if not tied or any(alias in weights or t not in weights for alias, t in tied.items()):
            raise Refused(f"{name} lists tied weights under {TIED!r} that do not fit its tensors. Write the file again.")
        del metadata[TIED]
    else:
        tied = {alias: target for alias, target in metadata.items() if alias not in weights and target in weights}
        if tied:
            notes.append(f"tied to another tensor by the header: {listed([*tied])}")
    weights.update({alias: weights[target] for alias, target in tied.items()})


def _own(tensors: Mapping[str, Tensor], name: str, taken: Taken, *, allowed: int) -> dict[str, Tensor]:
    """What is taken of the tensors, in memory of its own, tied ones once. All are checked before the first is taken.

    Views of one storage may overlap (a weight and its transpose), so they may need more than the file has, but not without end.
    """
    places: dict[str, object] = {}
    needed: dict[object, int] = {}
    for key, tensor in tensors.items():
        _admit(tensor, key, name)
        place = places[key] = _place(tensor) or key
        needed[place] = tensor.nbytes
    if sum(needed.values()) > allowed:
        raise Refused(f"{name} expands to {sum(needed.values()):,} bytes of overlapping tensors, more than it can hold. {SAVE_AGAIN}.")
    copies: dict[object, Tensor] = {}
    for key, tensor in tensors.items():
        if (place := places[key]) not in copies:
            copies[place] = taken(tensor)
    return {key: copies[place] for key, place in places.items()}


def _copied(tensor: Tensor) -> Tensor:
    import torch

    return tensor.detach().resolve_neg().clone(memory_format=torch.contiguous_format)


def _outlined(tensor: Tensor) -> Tensor:
    """The shape and type; single numbers keep their value, since some say how others are read."""
    import torch

    return _copied(tensor) if tensor.numel() == 1 else torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def _admit(tensor: Tensor, key: str, name: str) -> None:
    """Refused unless the tensor is a plain dense one whose values are all there."""
    import torch

    if tensor.is_meta:
        fault = "has a shape but no values (it was saved from the meta device)"
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
    raise Refused(f"{name}: {short(key)} {fault}; dense real tensors are expected. Save it as one (dequantize, to_dense, contiguous).")


def _place(tensor: Tensor) -> object | None:
    """Equal for tensors that are the same memory read the same way; None for one without elements, which is nowhere."""
    if tensor.numel() == 0:
        return None
    return tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.is_neg()


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a scalar"
