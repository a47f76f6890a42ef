"""Files that a person might be handed: damaged, lying, or made to do harm. Each function writes one into a folder and returns its path.

`HOSTILE` has them all by name, for every test whose promise is that such a file is refused in a sentence; `INERT` those whose weights are read all the same.
"""

from __future__ import annotations

import argparse
import codecs
import json
import os
import pickle
import struct
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  (a PathLike without its parameter)


def good_weights() -> dict[str, torch.Tensor]:
    """Two small tensors with known values."""
    return {"layers.0.weight": torch.arange(12.0).reshape(3, 4), "layers.0.bias": torch.tensor([1.0, -2.0, 0.5])}


def good_safetensors(folder: Path, name: str = "good.safetensors") -> Path:
    """A file without fault."""
    save_file(good_weights(), folder / name)
    return folder / name


def good_pt(folder: Path, name: str = "good.pt") -> Path:
    """A file without fault."""
    torch.save(good_weights(), folder / name)
    return folder / name


def rezip(
    path: Path,
    *,
    replace: Mapping[str, bytes] | None = None,
    add: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """The same zip with members changed (by the end of their name) or added (by full name)."""
    with zipfile.ZipFile(path) as archive:
        members = {i.filename: archive.read(i) for i in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            new = next((v for end, v in (replace or {}).items() if name.endswith(end)), data)
            archive.writestr(name, new)
        for name, data in (add or {}).items():
            archive.writestr(name, data)
    return path


def with_pickle(folder: Path, name: str, data: bytes) -> Path:
    """A zip as torch.save writes it, with this data.pkl."""
    return rezip(good_pt(folder, name), replace={"data.pkl": data})


def raw_safetensors(folder: Path, name: str, header: object, body: bytes = b"") -> Path:
    """A .safetensors of any header, true or not."""
    text = json.dumps(header).encode()
    (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + body)
    return folder / name


# --- damaged --------------------------------------------------------------------------------------------------------------


def garbage_pt(folder: Path) -> Path:
    (folder / "garbage.pt").write_bytes(b"this is no checkpoint\n" * 20)
    return folder / "garbage.pt"


def garbage_safetensors(folder: Path) -> Path:
    (folder / "garbage.safetensors").write_bytes(b"this is no checkpoint\n" * 20)
    return folder / "garbage.safetensors"


def wrong_extension(folder: Path) -> Path:
    (folder / "notes.txt").write_text("weights")
    return folder / "notes.txt"


def zip_called_safetensors(folder: Path) -> Path:
    return good_pt(folder, "really-a-zip.safetensors")


def safetensors_called_pt(folder: Path) -> Path:
    return good_safetensors(folder, "really-safetensors.pt")


def empty_pt(folder: Path) -> Path:
    (folder / "empty.pt").touch()
    return folder / "empty.pt"


def empty_safetensors(folder: Path) -> Path:
    (folder / "empty.safetensors").touch()
    return folder / "empty.safetensors"


def truncated_pt(folder: Path) -> Path:
    path = good_pt(folder, "truncated.pt")
    path.write_bytes(path.read_bytes()[:-300])
    return path


def truncated_safetensors(folder: Path) -> Path:
    path = good_safetensors(folder, "truncated.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    return path


def truncated_pickle(folder: Path) -> Path:
    with zipfile.ZipFile(good_pt(folder, "truncated-pickle.pt")) as archive:
        data = archive.read("truncated-pickle/data.pkl")
    return with_pickle(folder, "truncated-pickle.pt", data[:60])


def legacy_pickle(folder: Path) -> Path:
    torch.save(good_weights(), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    return folder / "legacy.pt"


def zip_without_pickle(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "photos.pt", "w") as archive:
        archive.writestr("photos/a.txt", "hello")
    return folder / "photos.pt"


def zip_without_members(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "nothing.pt", "w"):
        pass
    return folder / "nothing.pt"


def folder_called_pt(folder: Path) -> Path:
    (folder / "folder.pt").mkdir()
    return folder / "folder.pt"


def folder_without_checkpoints(folder: Path) -> Path:
    (folder / "pictures").mkdir()
    (folder / "pictures" / "a.png").touch()
    (folder / "pictures" / ".hidden.pt").touch()
    return folder / "pictures"


def missing(folder: Path) -> Path:
    return folder / "gone.pt"


def broken_link(folder: Path) -> Path:
    (folder / "link.pt").symlink_to(folder / "gone.pt")
    return folder / "link.pt"


def circular_link(folder: Path) -> Path:
    (folder / "round.pt").symlink_to(folder / "round.pt")
    return folder / "round.pt"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.pt")
    return folder / "pipe.pt"


def null_in_path(folder: Path) -> Path:
    return folder / "a\0b.pt"


def path_too_long(folder: Path) -> Path:
    return folder / f"{'x' * 5000}.pt"


# --- made to do harm ------------------------------------------------------------------------------------------------------


class _Calls:
    """Pickles as the call of a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def bomb_mark(folder: Path) -> Path:
    """Exists once the bomb has gone off."""
    return folder / "the-bomb-went-off"


def _bomb(folder: Path) -> _Calls:
    return _Calls(os.system, f"touch {bomb_mark(folder)}")  # pyright: ignore[reportDeprecated]  (what attackers use)


def pickle_bomb(folder: Path) -> Path:
    torch.save({**good_weights(), "x": _bomb(folder)}, folder / "bomb.pt")
    return folder / "bomb.pt"


def pickle_bomb_unzipped(folder: Path) -> Path:
    (folder / "bomb-raw.pt").write_bytes(pickle.dumps(_bomb(folder), protocol=2))
    return folder / "bomb-raw.pt"


def pickle_bomb_protocol_4(folder: Path) -> Path:
    data = pickle.dumps(_bomb(folder), protocol=4)
    return with_pickle(folder, "bomb-4.pt", data)


def compressed_bomb(folder: Path) -> Path:
    """A few kilobytes that inflate to 64 MB."""
    path = good_pt(folder, "compressed.pt")
    return rezip(path, replace={"data/0": bytes(64 * 2**20)}, compression=zipfile.ZIP_DEFLATED)


def expanded_tensor(folder: Path) -> Path:
    """10¹² elements in 1.6 kB."""
    torch.save({"w": torch.zeros(1).expand(10**6, 10**6)}, folder / "expanded.pt")
    return folder / "expanded.pt"


def overlapping_views(folder: Path) -> Path:
    """200 views of one megabyte, each of another shape."""
    flat = torch.zeros(2**18)
    torch.save({f"w{i}": flat[i:].reshape(1, -1) for i in range(200)}, folder / "views.pt")
    return folder / "views.pt"


def short_storage(folder: Path) -> Path:
    """The pickle claims a storage of a gigabyte where the zip has 4 bytes."""
    path = good_pt(folder, "short-storage.pt")
    with zipfile.ZipFile(path) as archive:
        data = archive.read("short-storage/data.pkl")
    assert data.count(b"K\x0c") == 1  # the storage of 12 elements, by which the tensor is bounded
    claimed = data.replace(b"K\x0c", b"J" + struct.pack("<i", 2**28)).replace(b"K\x03K\x04", b"J" + struct.pack("<i", 2**26) + b"K\x04")
    return rezip(path, replace={"data.pkl": claimed, "data/0": bytes(4)})


def hungry_bytearray(folder: Path) -> Path:
    """A byte array of 100 GB in a call of 20 bytes, which weights_only would make."""
    torch.save({**good_weights(), "x": _Calls(bytearray, 10**11)}, folder / "bytearray.pt")
    return folder / "bytearray.pt"


def hungry_encodings(folder: Path) -> Path:
    """Fifty encodings in hex of each other: 2⁵⁰ bytes, which weights_only would make."""
    value: object = "x"
    for _ in range(50):
        value = _Calls(codecs.encode, value, "hex")
    torch.save({**good_weights(), "x": value}, folder / "encodings.pt")
    return folder / "encodings.pt"


def vast_memo(folder: Path) -> Path:
    """A memo that claims two thousand million places, which a plain array of them would take."""
    return with_pickle(folder, "memo.pt", b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b"K\x01j" + struct.pack("<I", 2**31 - 2) + b".")


def many_opcodes(folder: Path) -> Path:
    """Twenty million dicts in twenty megabytes."""
    return with_pickle(folder, "dicts.pt", b"\x80\x02" + b"}" * 20_000_000 + b".")


def long_keys(folder: Path) -> Path:
    """A number of a million bytes that is a key a hundred thousand times: hashing it would take minutes."""
    number = b"\x8b" + struct.pack("<i", 2**20) + b"\x7f" * 2**20
    return with_pickle(folder, "keys.pt", b"\x80\x02}q\x00" + number + b"q\x010" + b"h\x01K\x01s" * 100_000 + b".")


def endless_modules(folder: Path) -> Path:
    """Forty modules, each of which has the next one twice: 2⁴⁰ names."""
    module: torch.nn.Module = torch.nn.Linear(1, 1)
    for _ in range(40):
        module = torch.nn.ModuleList([module, module])
    torch.save(module, folder / "endless-modules.pt")
    return folder / "endless-modules.pt"


def module_in_itself(folder: Path) -> Path:
    """A module that is a part of itself."""
    module = torch.nn.ModuleList()
    module._modules["again"] = module
    torch.save(module, folder / "itself.pt")
    return folder / "itself.pt"


def climbing_member(folder: Path) -> Path:
    return rezip(good_pt(folder, "climbing.pt"), add={"climbing/../../etc/cron.d/x": b"x"})


def absolute_member(folder: Path) -> Path:
    return rezip(good_pt(folder, "absolute.pt"), add={"/etc/cron.d/x": b"x"})


def doubled_member(folder: Path) -> Path:
    return rezip(good_pt(folder, "doubled.pt"), add={"doubled/DATA/0": bytes(48)})


def lying_sizes(folder: Path) -> Path:
    """Every member declares a gigabyte in the zip's directory."""
    path = rezip(good_pt(folder, "lying.pt"))
    data, at = bytearray(path.read_bytes()), -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        struct.pack_into("<II", data, at + 20, 2**30, 2**30)
    path.write_bytes(data)
    return path


def deep_pickle(folder: Path) -> Path:
    """A hundred thousand nested tuples."""
    return with_pickle(folder, "deep.pt", b"\x80\x02)" + b"\x85" * 100_000 + b".")


def nested_dicts(folder: Path) -> Path:
    """A hundred thousand dicts, one in the other."""
    return with_pickle(folder, "nested.pt", b"\x80\x02" + b"}X\x01\x00\x00\x00a" * 100_000 + b"}" + b"s" * 100_000 + b".")


def empty_dicts(folder: Path) -> Path:
    """As many empty dicts as bytes may stand beside tensors: 64 times as much in memory."""
    return with_pickle(folder, "empty-dicts.pt", b"\x80\x02](" + b"}" * (2**26 - 8) + b"e.")


def ties_that_are_no_json(folder: Path) -> Path:
    return _tied(folder, "{")


def ties_that_are_a_list(folder: Path) -> Path:
    return _tied(folder, "[1]")


def ties_to_numbers(folder: Path) -> Path:
    return _tied(folder, '{"head": 1}')


def deep_ties(folder: Path) -> Path:
    return _tied(folder, "[" * 100_000)


def _tied(folder: Path, text: str) -> Path:
    save_file(good_weights(), folder / "ties.safetensors", {"explorer.tied": text})
    return folder / "ties.safetensors"


def deep_key(folder: Path) -> Path:
    """A dict whose key is three million nested tuples: hashing it would end the process."""
    return with_pickle(folder, "deep-key.pt", b"\x80\x02})" + b"\x85" * 3_000_000 + b"K\x01s.")


def self_nested(folder: Path) -> Path:
    """A dict that holds itself as its state dict."""
    value: dict[str, object] = {}
    value["state_dict"] = value
    torch.save(value, folder / "self.pt")
    return folder / "self.pt"


def bad_offsets(folder: Path) -> Path:
    header = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 160]}}
    return raw_safetensors(folder, "offsets.safetensors", header, bytes(16))


def overlapping_offsets(folder: Path) -> Path:
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    return raw_safetensors(folder, "overlap.safetensors", {"a": entry, "b": entry}, bytes(16))


def header_bomb(folder: Path) -> Path:
    (folder / "header.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}" + bytes(100))
    return folder / "header.safetensors"


def deep_header(folder: Path) -> Path:
    text = b"[" * 100_000
    (folder / "deep.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    return folder / "deep.safetensors"


def vast_zero_dims(folder: Path) -> Path:
    header = {"w": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}}
    return raw_safetensors(folder, "vast.safetensors", header)


def overflowing_dims(folder: Path) -> Path:
    header = {"w": {"dtype": "F32", "shape": [2**33, 2**33], "data_offsets": [0, 0]}}
    return raw_safetensors(folder, "overflow.safetensors", header)


def doubled_name(folder: Path) -> Path:
    """One name for two tensors: readers differ on which of them it is."""
    entry = '{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    text = f'{{"w": {entry}, "w": {entry}}}'.encode()
    (folder / "doubled-name.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    return folder / "doubled-name.safetensors"


def long_header(folder: Path) -> Path:
    """A third of a million tensors of nothing: seconds of work and a gigabyte of Python objects out of 20 MB."""
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return raw_safetensors(folder, "long.safetensors", {f"w{i}": empty for i in range(330_000)})


def uncovered_bytes(folder: Path) -> Path:
    """Room for another file behind the tensors."""
    header = {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    return raw_safetensors(folder, "uncovered.safetensors", header, bytes(400))


def sparse_giant(folder: Path) -> Path:
    """20 GB of holes, which take no room on the disk."""
    with (folder / "giant.pt").open("wb") as file:
        file.truncate(20 * 2**30)
    return folder / "giant.pt"


def sparse_giant_safetensors(folder: Path) -> Path:
    """Likewise, claiming a header of no bytes."""
    with (folder / "giant.safetensors").open("wb") as file:
        file.truncate(20 * 2**30)
    return folder / "giant.safetensors"


def exported_program(folder: Path) -> Path:
    """What torch.export.save writes; torch.export.load would run code from it."""
    with zipfile.ZipFile(folder / "program.pt2", "w") as archive:
        archive.writestr("program/archive_format", "pt2")
        archive.writestr("program/models/model.json", "{}")
    return folder / "program.pt2"


def exported_program_called_pt(folder: Path) -> Path:
    return exported_program(folder).rename(folder / "program.pt")


def torchscript(folder: Path) -> Path:
    """What torch.jit.save writes: source code, compressed."""
    with zipfile.ZipFile(folder / "script.pt", "w") as archive:
        archive.writestr("script/data.pkl", b"\x80\x02}.")
        archive.writestr("script/code/__torch__/a.py", "class A: pass\n" * 100, zipfile.ZIP_DEFLATED)
        archive.writestr("script/constants.pkl", b"\x80\x02).")
    return folder / "script.pt"


def linked_device(folder: Path) -> Path:
    """A link to what never ends."""
    (folder / "endless.pt").symlink_to("/dev/zero")
    return folder / "endless.pt"


def linked_folder(folder: Path) -> Path:
    (folder / "above.pt").symlink_to(folder.parent)
    return folder / "above.pt"


def no_tensors_safetensors(folder: Path) -> Path:
    return raw_safetensors(folder, "none.safetensors", {"__metadata__": {"a": "b"}})


def bad_ties(folder: Path) -> Path:
    save_file(good_weights(), folder / "ties.safetensors", {"explorer.tied": '{"head": "nowhere"}'})
    return folder / "ties.safetensors"


# --- tensors and objects that are no weights ------------------------------------------------------------------------------


def _saved(value: object, name: str) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        torch.save(value, folder / name)
        return folder / name

    return build


HOSTILE: Mapping[str, Callable[[Path], Path]] = {
    f.__name__: f
    for f in (
        *(garbage_pt, garbage_safetensors, wrong_extension, zip_called_safetensors, safetensors_called_pt, empty_pt, empty_safetensors),
        *(truncated_pt, truncated_safetensors, truncated_pickle, legacy_pickle, zip_without_pickle, zip_without_members),
        *(folder_called_pt, folder_without_checkpoints, missing, broken_link, circular_link, pipe, null_in_path, path_too_long),
        *(pickle_bomb, pickle_bomb_unzipped, pickle_bomb_protocol_4, compressed_bomb, expanded_tensor, overlapping_views, short_storage),
        *(
            vast_memo,
            many_opcodes,
            long_keys,
            endless_modules,
            module_in_itself,
            climbing_member,
            absolute_member,
            doubled_member,
            lying_sizes,
            deep_pickle,
            deep_key,
            nested_dicts,
            empty_dicts,
            self_nested,
        ),
        *(bad_offsets, overlapping_offsets, header_bomb, deep_header, vast_zero_dims, overflowing_dims, no_tensors_safetensors, bad_ties),
        *(ties_that_are_no_json, ties_that_are_a_list, ties_to_numbers, deep_ties),
        *(doubled_name, long_header, uncovered_bytes, sparse_giant, sparse_giant_safetensors),
        *(exported_program, exported_program_called_pt, torchscript, linked_device, linked_folder),
    )
} | {
    "empty_dict": _saved({}, "empty-dict.pt"),
    "bare_tensor": _saved(torch.zeros(3), "bare.pt"),
    "list_of_tensors": _saved([torch.zeros(3)], "list.pt"),
    "no_tensor_in_it": _saved({"epoch": 3, "state_dict": {}}, "epoch.pt"),
    "names_that_are_numbers": _saved({0: torch.zeros(3)}, "numbers.pt"),
    "meta_tensor": _saved({"w": torch.zeros(3, device="meta")}, "meta.pt"),
    "sparse_tensor": _saved({"w": torch.eye(3).to_sparse()}, "sparse.pt"),
    "complex_tensor": _saved({"w": torch.zeros(3, dtype=torch.complex64)}, "complex.pt"),
}


class Anything:
    """An object of a class of the person who saved it."""

    def __init__(self) -> None:
        self.lr, self.history = 0.1, [1.0, 2.0]


def _beside(value: object) -> Callable[[Path], Path]:
    return _saved({"state_dict": good_weights(), "x": value}, "beside.pt")


def _trained() -> dict[str, object]:
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    return {"optimizer": optimizer, "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3)}


# Read in spite of what they hold, without building any of it.
INERT: Mapping[str, Callable[[Path], Path]] = {
    "numpy_scalar": _beside(np.float64(0.5)),
    "numpy_array": _beside(np.arange(3)),
    "namespace": _beside(argparse.Namespace(lr=0.1)),
    "path": _beside(PurePosixPath("/runs/1")),
    "defaultdict": _beside(defaultdict(list, {"a": [1]})),
    "counter": _beside(Counter("abc")),
    "set": _beside({1, 2}),
    "own_class": _beside(Anything()),
    "optimizer": _beside(_trained()),
    "bound_method": _beside(Anything().__init__),
    "weights_in_a_subclass": lambda folder: _saved({"state_dict": defaultdict(list, good_weights())}, "sub.pt")(folder),
    "hungry_bytearray": hungry_bytearray,
    "hungry_encodings": hungry_encodings,
}
