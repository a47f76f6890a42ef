"""A link that is exchanged while a file behind it is read: whoever may write in a folder that is open to visitors leads no reader out of it.

The link is exchanged just before the first, the second, … file is opened (tests/at_opening.py), which is the worst moment there is; no luck and no second process is needed.
"""

import gzip
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from explorer.checkpoints import change_mark, checkpoint_file, lazy_weights, lora, quantised, sharded
from explorer.core import files
from explorer.core.allowed_folders import opened, within
from explorer.core.errors import Refused
from explorer.merging import blocks, ingredients, vocabularies
from explorer.problems import problem_toml
from explorer.problems.data import Dataset, fingerprint, idx, image_folder, npz, table, text
from explorer.store.portable import import_runs
from explorer.store.run_store import RunStore
from tests import at_opening
from tests.store.test_upkeep import a_run, filled

STEPS = 14  # more files than any reader here opens


def _weights(number: int) -> dict[str, torch.Tensor]:
    return {"layer.weight": torch.full((3, 4), float(number)), "layer.bias": torch.full((3,), float(number))}


def _fill(folder: Path, number: int) -> None:
    """A folder with a file for every reader; those of two numbers have the same names and sizes, and other content."""
    folder.mkdir()
    save_file(_weights(number), folder / "one.safetensors", {"format": "pt"})
    torch.save(_weights(number), folder / "two.pt")
    save_file(_weights(number), folder / "model-1.safetensors")
    where = dict.fromkeys(_weights(0), "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where, "metadata": {"total_size": number}}))
    (folder / "packed").mkdir()
    (folder / "packed" / "config.json").write_text(json.dumps({"quantization_config": {"bits": number}}))
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": number}))
    pair = {f"base_model.model.layer.lora_{k}.weight": torch.full(s, float(number)) for k, s in (("A", (1, 4)), ("B", (3, 1)))}
    save_file(pair, folder / "adapter_model.safetensors")
    (folder / "text.txt").write_text("abcdefgh"[number] * 200)
    np.savez(folder / "data.npz", x=np.full((20, 2), number, dtype=np.float32), y=np.arange(20) % 2)
    rows = pd.DataFrame({"a": np.full(40, float(number)), "label": np.arange(40) % 2})
    rows.to_csv(folder / "rows.csv", index=False)
    rows.to_parquet(folder / "rows.parquet")
    for name in "xy":
        (folder / "images" / name).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(np.full((8, 8), 40 * number, dtype=np.uint8)).save(folder / "images" / name / f"{i}.png")
    (folder / "digits").mkdir()
    for part in ("train", "t10k"):
        pixels = struct.pack(">HBBIII", 0, 8, 3, 4, 2, 2) + bytes([number]) * 16
        (folder / "digits" / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels))
        (folder / "digits" / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 4) + bytes([0, 1, 0, 1]))
    store = RunStore(folder / "run.sqlite")
    filled(store, a_run("abc"[number]), 10 * number)
    store.close()
    (folder / "problem.toml").write_text(
        f'title = "{"ABCDEFGH"[number]}"\nloss = "cross_entropy"\n[network]\nname = "mlp"\nwidths = [64, 8, 10]\n[data]\nname = "digits"\n'
    )


def _values(found: object) -> object:
    """What can be compared with ==, of whatever a reader gives."""
    match found:
        case torch.Tensor():
            return found.tolist()
        case Dataset():
            return found.inputs.tolist(), found.classes
        case lazy_weights.Streamed() | dict():
            return {name: _values(value) for name, value in found.items()}
        case tuple():
            return tuple(map(_values, cast("tuple[object, ...]", found)))
        case _:
            return found


def _streamed(folder: Path) -> object:
    shapes = {name: tuple(w.shape) for name, w in _weights(0).items()}
    return lazy_weights.open_lazily(folder / "one.safetensors", shapes)


def _merged(folder: Path) -> object:
    with blocks.Files() as open_once:
        stored = ingredients.opened(str(folder / "one.safetensors")).tensors["layer.weight"]
        return open_once.block(stored, 0, stored.numel)


def _imported(folder: Path) -> object:
    with TemporaryDirectory() as own:
        store = RunStore(Path(own) / "store.sqlite")
        found = import_runs(store, folder / "run.sqlite")
        points = [store.points(status.request.field.id)[0].values.tolist() for status in store.statuses("Run")]
        assert not [*Path(own).glob(".*")]
        store.close()
        return tuple(found), points


def _by_content(folder: Path) -> object:
    stored = ingredients.opened(str(folder / "one.safetensors")).tensors["layer.weight"]
    return ingredients._content(stored)


READERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda folder: files.digest(folder / "two.pt"),
    "safetensors": lambda folder: checkpoint_file.read(folder / "one.safetensors").weights,
    "torch": lambda folder: checkpoint_file.read(folder / "two.pt").weights,
    "shards": lambda folder: checkpoint_file.read(folder).weights,
    "digest of shards": sharded.digest,
    "index": lambda folder: None if (index := sharded.index_of(folder)) is None else index.names,
    "mapped": _streamed,
    "configuration": lambda folder: quantised.described(folder / "packed"),
    "adapter": lambda folder: {n: (c.scale, lora.applied(torch.zeros(3, 4), c)) for n, c in lora.read(folder).changes.items()},
    "mark": lambda folder: change_mark.mark(folder / "one.safetensors").rpartition("-")[2],
    "fingerprint": lambda folder: fingerprint(folder / "text.txt"),
    "text": lambda folder: text.load(folder / "text.txt", context=8),
    "npz": lambda folder: npz.load(folder / "data.npz"),
    "csv": lambda folder: table.load(folder / "rows.csv", target="label", standardise=False),
    "parquet": lambda folder: table.load(folder / "rows.parquet", target="label", standardise=False),
    "images": lambda folder: image_folder.load(folder / "images", size=8, channels=1),
    "idx": lambda folder: idx.load(folder / "digits"),
    "merge": _merged,
    "merge, by content": _by_content,
    "import": _imported,
    "vocabulary": lambda folder: vocabularies._text(folder / "text.txt"),
    "problem": lambda folder: problem_toml.read(folder / "problem.toml").title,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("exchanged")
    (base / "open").mkdir()
    _fill(base / "open" / "inside", 1)
    _fill(base / "outside", 2)
    return base


def _lead(base: Path, to: Path) -> None:
    draft = base / "open" / "draft"
    draft.symlink_to(to)
    draft.replace(base / "open" / "shown")


def _read(name: str, base: Path, to: str, roots: list[str] | None) -> object:
    _lead(base, base / to)
    with within(roots, base / "home"):
        return _values(READERS[name](base / "open" / "shown"))


@pytest.mark.parametrize("name", READERS)
def test_a_link_exchanged_before_any_opening_leads_no_reader_outside(name: str, folders: Path) -> None:
    allowed = [str(folders / "open")]
    inside, outside = _read(name, folders, "open/inside", allowed), _read(name, folders, "outside", None)
    refused = 0
    if name != "index":
        assert inside != outside  # else the reader could not be caught
    for step in range(STEPS):
        at_opening.waiting[:] = [lambda: None] * step + [lambda: _lead(folders, folders / "outside")]
        try:
            found = _read(name, folders, "open/inside", allowed)
            assert found == inside or (name == "mapped" and found is None)  # which leaves it to `read`
            refused += found is None
        except Refused as refusal:
            refused += "is not in a folder that may be read here" in str(refusal)
        finally:
            unused = bool(at_opening.waiting)
            at_opening.waiting.clear()
        if unused:
            break
    else:
        pytest.fail("the reader opens more files than were tried")
    assert refused


@pytest.mark.parametrize("name", ["merge", "merge, by content", "mapped"])
def test_a_link_exchanged_and_exchanged_back_mixes_no_two_files(name: str, folders: Path) -> None:
    """The header of one and the values of another: either would pass by itself, and so would a look at the path before and afterwards."""
    wanted, refused = _read(name, folders, "open/inside", None), 0
    assert wanted != _read(name, folders, "outside", None)
    for step in range(STEPS):
        back = [lambda: _lead(folders, folders / "open/inside")]
        at_opening.waiting[:] = [lambda: None] * step + [lambda: _lead(folders, folders / "outside")] + back
        try:
            found = _read(name, folders, "open/inside", None)
            assert found == wanted or (name == "mapped" and found is None)  # which leaves it to `read`
            refused += found is None
        except Refused as refusal:
            refused += "was written to while it was read" in str(refusal)
        unused = len(at_opening.waiting) > 1
        at_opening.waiting.clear()
        if unused:
            break
    assert unused and refused


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="not a regular file"):
        opened(tmp_path / "pipe")


def test_without_folders_named_everything_may_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    with within(None, tmp_path), opened(tmp_path / "file") as file:
        assert file.read() == b"1"
