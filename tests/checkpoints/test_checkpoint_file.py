"""Checkpoint files: what is read comes back as it was, and everything else is refused in a sentence."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file, save_model
from torch import Tensor

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints import sharded as shards
from explorer.core.errors import Refused
from explorer.core.files import SUFFIXES, checkpoints_at, digest, stamp
from tests import hostile


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Equal names, types and bits (NaN included)."""
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and torch.equal(bits(a[k]), bits(b[k])) for k in a)


def bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


class Twins(torch.nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(3, 3)
        self.second = torch.nn.Linear(3, 3)
        self.second.weight = self.first.weight


# --- what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", hostile.HOSTILE.values(), ids=hostile.HOSTILE.keys())
def test_a_hostile_file_is_refused_in_a_sentence_and_not_run(build: Callable[[Path], Path], tmp_path: Path) -> None:
    """Whatever the file, the only thing that happens is a Refused that begins with its name and is fit to be shown."""
    path = build(tmp_path)
    with pytest.raises(Refused) as refusal:
        checkpoint_file.read(path)
    said = str(refusal.value)
    assert said.isprintable()
    assert said.startswith(path.name[:5].replace("\0", "\\x00"))
    assert said.endswith((".", ")"))
    assert len(said) < 400
    assert not hostile.bomb_mark(tmp_path).exists()


@pytest.mark.parametrize("build", hostile.INERT.values(), ids=hostile.INERT.keys())
def test_what_stands_beside_the_weights_is_left_as_names(build: Callable[[Path], Path], tmp_path: Path) -> None:
    """Numpy's scalars, paths, namespaces, an optimizer, whatever a training script saves, and what would take all memory if it were built."""
    path = build(tmp_path)
    found = checkpoint_file.read(path)
    assert same(found.weights, hostile.good_weights())
    assert any("not built or run" in note for note in found.notes)


class Block(torch.nn.Module):
    """A layer within a layer, its weight in two places, and buffers of which one is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
        self.second = torch.nn.Linear(3, 3, bias=False)
        self.second.weight = self.first[0].weight
        self.register_buffer("kept", torch.arange(3.0))
        self.register_buffer("left", torch.arange(3.0), persistent=False)
        self.register_parameter("nothing", None)


@pytest.mark.parametrize("wrapped", ["alone", "under a key", "in parallel"])
def test_a_whole_module_gives_its_state_dict(wrapped: str, tmp_path: Path) -> None:
    """As its own state_dict has it, in its order, ties included, without a look at its class."""
    module = Block()
    saved = {"alone": module, "under a key": {"epoch": 3, "model": module}, "in parallel": torch.nn.DataParallel(module)}[wrapped]
    torch.save(saved, tmp_path / "a.pt")
    found = checkpoint_file.read(tmp_path / "a.pt")
    true = {k: v.detach() for k, v in module.state_dict().items()}
    assert list(found.weights) == list(true)
    assert same(found.weights, true)
    assert found.weights["second.weight"] is found.weights["first.0.weight"]
    assert any(n.startswith("left as names, not built or run: ") and "Block" in n for n in found.notes)


def test_an_inert_read_is_what_torch_reads(tmp_path: Path) -> None:
    """Types, views, ties and values of what torch.load makes of the same file."""
    flat = torch.arange(24.0)
    tensors = {
        "view": flat[2:14].reshape(3, 4).T,
        "half": torch.randn(3).half(),
        "double": torch.randn(2, 2, dtype=torch.float64),
        "brain": torch.randn(3).bfloat16(),
        "eight": torch.randn(3).to(torch.float8_e4m3fn),
        "long": torch.arange(3),
        "unsigned": torch.arange(3).to(torch.uint16),
        "truth": torch.tensor([True, False]),
        "scalar": torch.tensor(3.0),
        "nothing": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(2)),
        "buffer": torch.nn.Buffer(torch.randn(2)),
        "negated": torch.randn(3, dtype=torch.complex64).conj().imag,
    }
    tensors["tied"] = tensors["half"]
    torch.save(tensors, tmp_path / "a.pt")
    found, true = checkpoint_file.read(tmp_path / "a.pt").weights, torch.load(tmp_path / "a.pt", weights_only=True)
    assert same(found, {k: v.detach().resolve_neg() for k, v in true.items()})
    assert found["tied"] is found["half"]


def test_the_bombs_would_go_off_elsewhere(tmp_path: Path) -> None:
    """The test above proves something: the same file does run its command under an unsafe load."""
    torch.load(hostile.pickle_bomb(tmp_path), weights_only=False)
    assert hostile.bomb_mark(tmp_path).exists()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (hostile.pickle_bomb, "system"),
        (hostile.legacy_pickle, r"before torch 1\.6.*save the state dict again"),
        (hostile.compressed_bomb, "compressed"),
        (hostile.expanded_tensor, "w is expanded: 1000000×1000000 on 4 bytes"),
        (hostile.overlapping_views, "overlapping"),
        (hostile.climbing_member, "outside its folder"),
        (hostile.absolute_member, "outside its folder"),
        (hostile.doubled_member, "two members of one name"),
        (hostile.lying_sizes, "declares"),
        (hostile.deep_key, "more than its tensors need"),
        (hostile.endless_modules, "damaged"),
        (hostile.vast_memo, "damaged"),
        (hostile.vast_zero_dims, "absurd shape"),
        (hostile.folder_called_pt, "folder"),
        (hostile.missing, "does not exist"),
        (hostile.pipe, "regular file"),
        (hostile.zip_called_safetensors, r"Rename it to end in \.pt"),
        (hostile.HOSTILE["no_tensor_in_it"], "epoch, state_dict"),
        (hostile.HOSTILE["sparse_tensor"], "a sparse tensor"),
        (hostile.HOSTILE["meta_tensor"], "meta"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_refusal_says_what_is_wrong(build: Callable[[Path], Path], words: str, tmp_path: Path) -> None:
    """A file is refused for its own fault, not for another on the way."""
    with pytest.raises(Refused, match=words):
        checkpoint_file.read(build(tmp_path))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_a_quantised_tensor_is_refused(tmp_path: Path) -> None:
    """Quantised values are not weights that can be mixed."""
    torch.save({"w": torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8)}, tmp_path / "q.pt")
    with pytest.raises(Refused, match="a quantised tensor"):
        checkpoint_file.read(tmp_path / "q.pt")


def test_a_file_without_permission_is_refused() -> None:
    """The system's reason is in the sentence; root, who may read everything, reads as nobody here."""
    with TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        path = hostile.good_pt(Path(folder))
        path.chmod(0)
        user = os.geteuid()
        os.seteuid(65534 if user == 0 else user)
        try:
            for function in (checkpoint_file.read, digest):
                with pytest.raises(Refused, match="permission"):
                    function(path)
        finally:
            os.seteuid(user)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file whose reading fails")
def test_a_file_that_fails_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """An input error in the middle (a bad disk, a lost share) is the user's to know, not a traceback."""
    (tmp_path / "bad-disk.pt").symlink_to("/proc/self/mem")
    with pytest.raises(Refused, match=r"^bad-disk\.pt cannot be read"):
        digest(tmp_path / "bad-disk.pt")


@pytest.mark.parametrize(
    "ties", ["", "[]", "{}", "3", "[" * 100_000, '{"a": ["layers.0.bias"]}', '{"a": null}', '{"layers.0.bias": "layers.0.weight"}']
)
def test_ties_that_make_no_sense_are_refused(ties: str, tmp_path: Path) -> None:
    """The list of ties is as foreign as the rest of the header."""
    save_file(hostile.good_weights(), tmp_path / "a.safetensors", {checkpoint_file.TIED: ties})
    with pytest.raises(Refused, match="lists tied weights"):
        checkpoint_file.read(tmp_path / "a.safetensors")


def test_what_a_header_says_is_shown_on_one_line(tmp_path: Path) -> None:
    """A reader's message quotes the file; control characters in it are escaped, and it is cut."""
    entry = {"dtype": "F32\x1b[2J\n" + "x" * 500, "shape": [1], "data_offsets": [0, 4]}
    path = hostile.raw_safetensors(tmp_path, "a.safetensors", {"w": entry}, bytes(4))
    with pytest.raises(Refused) as refusal:
        checkpoint_file.read(path)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 250


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    """The limit is checked before anything is read."""
    for path in (hostile.good_pt(tmp_path), hostile.good_safetensors(tmp_path)):
        assert checkpoint_file.read(path, limit_bytes=path.stat().st_size).weights
        with pytest.raises(Refused, match="more than the 100 that can be read"):
            checkpoint_file.read(path, limit_bytes=100)


SEEDS = {
    suffix: build(Path(tempfile.mkdtemp()), f"seed{suffix}").read_bytes()
    for suffix, build in ((".pt", hostile.good_pt), (".safetensors", hostile.good_safetensors))
}

with zipfile.ZipFile(io.BytesIO(SEEDS[".pt"])) as _archive:
    PICKLE = _archive.read("seed/data.pkl")


@settings(max_examples=300, deadline=timedelta(seconds=5))
@given(st.data())
def test_damage_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    """Bytes flipped, cut off, cut out or doubled: a checkpoint or a Refused, in bounded time, and nothing else."""
    suffix = data.draw(st.sampled_from(sorted(SEEDS)))
    content = bytearray(SEEDS[suffix])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)):
        content[place] = value
    low, high = sorted(data.draw(st.tuples(st.integers(0, len(content)), st.integers(0, len(content)))))
    match data.draw(st.sampled_from(("whole", "cut off", "cut out", "double"))):
        case "cut off":
            del content[high:]
        case "cut out":
            del content[low:high]
        case "double":
            content[low:low] = content[low:high]
        case _:
            pass
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"damaged{suffix}"
        path.write_bytes(content)
        weights: dict[str, Tensor] = {}
        with suppress(Refused):
            weights = checkpoint_file.read(path).weights
    assert all(t.is_contiguous() and t.nbytes <= 2 * len(content) for t in weights.values())


@settings(max_examples=300, deadline=timedelta(seconds=5))
@given(st.lists(st.tuples(st.integers(0, len(PICKLE) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, len(PICKLE)))
def test_a_damaged_pickle_in_a_sound_zip_is_read_or_refused(flips: list[tuple[int, int]], end: int) -> None:
    """Behind a right checksum, where damage is no accident: still a checkpoint or a Refused."""
    data = bytearray(PICKLE)
    for place, value in flips:
        data[place] = value
    weights: dict[str, Tensor] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = hostile.with_pickle(Path(folder), "seed.pt", bytes(data[: end or None]))
        with suppress(Refused):
            weights = checkpoint_file.read(path).weights
        assert all(t.nbytes <= 2 * path.stat().st_size for t in weights.values())


# --- what is read ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_gives_the_same_weights(suffix: str, tmp_path: Path) -> None:
    """The format is of no consequence for the numbers."""
    path = tmp_path / f"a{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(hostile.good_weights(), path)
    result = checkpoint_file.read(path)
    assert same(result.weights, hostile.good_weights())
    assert result.path == path
    assert result.notes == ()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_are_memory_of_their_own(suffix: str, tmp_path: Path) -> None:
    """Writing to them changes no file, and a file that is cut short later does not change them."""
    path = tmp_path / f"a{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)({"w": torch.ones(1000)}, path)
    before = digest(path)
    weights = checkpoint_file.read(path).weights
    weights["w"].add_(1.0)
    assert digest(path) == before
    os.truncate(path, 10)
    assert torch.equal(weights["w"], torch.full((1000,), 2.0))


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "module", "net", "weights", "params"])
def test_a_nested_state_dict_is_found_and_the_rest_noted(key: str, tmp_path: Path) -> None:
    """Training scripts save more than the weights; what is left aside is said."""
    moments = {"state": {0: {"step": torch.tensor(3.0)}}, "lr": 0.1}
    torch.save({"epoch": 3, key: hostile.good_weights(), "optimizer": moments}, tmp_path / "a.pt")
    result = checkpoint_file.read(tmp_path / "a.pt")
    assert same(result.weights, hostile.good_weights())
    assert result.notes == (f"ignored beside '{key}': epoch, optimizer",)


def test_entries_that_are_no_tensors_are_noted(tmp_path: Path) -> None:
    """A state dict may carry extra state."""
    torch.save({**hostile.good_weights(), "version": "1.0", "_extra_state": {"a": 1}}, tmp_path / "a.pt")
    result = checkpoint_file.read(tmp_path / "a.pt")
    assert same(result.weights, hostile.good_weights())
    assert result.notes == ("ignored, not tensors: version, _extra_state",)


def test_a_prefix_of_all_names_is_stripped(tmp_path: Path) -> None:
    """DataParallel and torch.compile put their own names in front, also both."""
    torch.save({f"module._orig_mod.{k}": v for k, v in hostile.good_weights().items()}, tmp_path / "a.pt")
    result = checkpoint_file.read(tmp_path / "a.pt")
    assert same(result.weights, hostile.good_weights())
    assert result.notes == ("stripped the prefix 'module.'", "stripped the prefix '_orig_mod.'")


def test_names_within_which_a_wrapper_stands_lose_it(tmp_path: Path) -> None:
    """A compiled, sharded or checkpointed part of a network; also at the beginning of some names."""
    names = ("body._orig_mod.w", "body._fsdp_wrapped_module._checkpoint_wrapped_module.b", "_orig_mod.head")
    torch.save({n: torch.ones(2) for n in names}, tmp_path / "a.pt")
    result = checkpoint_file.read(tmp_path / "a.pt")
    assert list(result.weights) == ["body.w", "body.b", "head"]
    assert result.notes == (
        "stripped '_orig_mod.' within names",
        "stripped '_fsdp_wrapped_module.' within names",
        "stripped '_checkpoint_wrapped_module.' within names",
    )


def test_names_that_would_fall_together_stay(tmp_path: Path) -> None:
    """No tensor is lost."""
    weights = {"a._orig_mod.w": torch.ones(2), "a.w": torch.zeros(2)}
    torch.save(weights, tmp_path / "a.pt")
    assert same(checkpoint_file.read(tmp_path / "a.pt").weights, weights)


def test_a_moving_average_of_weights_is_read_without_its_counter(tmp_path: Path) -> None:
    """As AveragedModel saves it."""
    averaged = torch.optim.swa_utils.AveragedModel(Twins())
    torch.save(averaged.state_dict(), tmp_path / "a.pt")
    result = checkpoint_file.read(tmp_path / "a.pt")
    assert same(result.weights, dict(averaged.module.state_dict()))
    assert result.notes == ("ignored, the counter of an AveragedModel: n_averaged", "stripped the prefix 'module.'")


def test_the_weights_go_before_their_moving_average(tmp_path: Path) -> None:
    """Where a file has both, and where it has the average alone, the notes say which was read."""
    weights, average = {"w": torch.ones(2)}, {"w": torch.zeros(2)}
    torch.save({"ema": average, "model": weights}, tmp_path / "both.pt")
    torch.save({"ema": average, "epoch": 3}, tmp_path / "one.pt")
    both, one = checkpoint_file.read(tmp_path / "both.pt"), checkpoint_file.read(tmp_path / "one.pt")
    assert same(both.weights, weights) and both.notes == ("other weights in it: choose them with both.pt#ema",)
    assert same(one.weights, average) and one.notes == ("ignored beside 'ema': epoch",)


def test_another_set_of_weights_is_chosen_behind_the_path(tmp_path: Path) -> None:
    """By its key, usual or not, also above a usual one; a key that is not there is refused with those that are."""
    path, nets = tmp_path / "last.pth.tar", {k: {"w": torch.full((2,), v)} for k, v in (("state_dict", 1.0), ("state_dict_ema", 2.0), ("netD", 3.0))}
    torch.save({**nets, "metrics": {"loss": torch.tensor(0.5)}, "epoch": 3}, path)
    plain = checkpoint_file.read(path)
    assert plain.others == ("state_dict_ema", "netD") == checkpoint_file.others(path)
    assert plain.notes == (
        "ignored beside 'state_dict': metrics, epoch",
        "other weights in it: choose them with last.pth.tar#state_dict_ema, last.pth.tar#netD",
    )
    for key in ("state_dict_ema", "netD"):
        chosen = checkpoint_file.read(f"{path}#{key}")
        assert same(chosen.weights, nets[key])
        assert (chosen.path, set(chosen.others)) == (Path(f"{path}#{key}"), set(nets) - {key})
    with pytest.raises(Refused, match=r"last\.pth\.tar has no weights under 'ema'\. Choose one of: last\.pth\.tar#state_dict, "):
        checkpoint_file.read(f"{path}#ema")
    torch.save({"ema": {"module": nets["netD"]}, "model": nets["state_dict"]}, tmp_path / "a.pt")
    assert same(checkpoint_file.read(f"{tmp_path / 'a.pt'}#ema").weights, nets["netD"])
    torch.save({"netG": nets["state_dict"], "netD": nets["netD"]}, tmp_path / "gan.pt")
    with pytest.raises(Refused, match=r"weights, and none under a usual name\. Choose one of: gan\.pt#netG, gan\.pt#netD"):
        checkpoint_file.read(tmp_path / "gan.pt")
    with pytest.raises(Refused, match=r"a\.safetensors has one set of weights, and no part 'ema'"):
        checkpoint_file.read(f"{hostile.good_safetensors(tmp_path, 'a.safetensors')}#ema")


def test_a_prefix_of_some_names_stays(tmp_path: Path) -> None:
    """A prefix that not all names share is part of the name."""
    weights = {"model.w": torch.ones(2), "head.w": torch.ones(2)}
    torch.save(weights, tmp_path / "a.pt")
    assert same(checkpoint_file.read(tmp_path / "a.pt").weights, weights)


def test_tied_weights_stay_one_tensor(tmp_path: Path) -> None:
    """Through torch.save and through write, two names of one memory are one tensor object."""
    state = Twins().state_dict()
    torch.save(state, tmp_path / "a.pt")
    read = checkpoint_file.read(tmp_path / "a.pt").weights
    checkpoint_file.write(tmp_path / "a.safetensors", read)
    again = checkpoint_file.read(tmp_path / "a.safetensors")
    for weights in (read, again.weights):
        assert same(weights, state)
        assert weights["second.weight"] is weights["first.weight"]
        assert weights["first.bias"] is not weights["second.bias"]
    assert again.metadata == {}
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert "second.weight" not in file.keys()  # noqa: SIM118  (no Mapping)
        assert file.metadata()[checkpoint_file.TIED] == '{"second.weight": "first.weight"}'


def test_ties_that_another_writer_left_out_come_back(tmp_path: Path) -> None:
    """safetensors' own save_model stores a tied weight once and names the other in the header."""
    twins = Twins()
    save_model(twins, str(tmp_path / "a.safetensors"))
    result = checkpoint_file.read(tmp_path / "a.safetensors")
    assert same(result.weights, dict(twins.state_dict()))
    assert result.weights["second.weight"] is result.weights["first.weight"]
    assert result.notes == ("tied to another tensor by the header: second.weight",)


def test_views_of_one_memory_that_differ_are_apart(tmp_path: Path) -> None:
    """A weight and its transpose, or two parts of one flat vector, are tensors of their own."""
    flat = torch.arange(12.0)
    weights = {"w": flat.reshape(3, 4), "t": flat.reshape(3, 4).T, "head": flat[:4], "tail": flat[8:]}
    torch.save(weights, tmp_path / "a.pt")
    read = checkpoint_file.read(tmp_path / "a.pt").weights
    assert same(read, weights)
    assert all(t.is_contiguous() and t.untyped_storage().nbytes() == t.nbytes for t in read.values())
    checkpoint_file.write(tmp_path / "a.safetensors", weights)
    assert same(checkpoint_file.read(tmp_path / "a.safetensors").weights, weights)


def test_parameters_come_back_as_plain_tensors(tmp_path: Path) -> None:
    """No gradient is recorded through a checkpoint."""
    torch.save({"w": torch.nn.Parameter(torch.ones(2))}, tmp_path / "a.pt")
    tensor = checkpoint_file.read(tmp_path / "a.pt").weights["w"]
    assert type(tensor) is Tensor
    assert not tensor.requires_grad


# --- writing --------------------------------------------------------------------------------------------------------------

ODD = {
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "counter": torch.tensor(7),
    "half": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
    "double": torch.tensor([1 / 3, float("inf")], dtype=torch.float64),
    "mask": torch.tensor([True, False]),
    "bytes": torch.arange(6, dtype=torch.uint8).reshape(2, 3).T,
    "tiny": torch.tensor([1.0, -2.0]).to(torch.float8_e4m3fn),
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Every type and shape, NaN bit for bit, and the metadata."""
    checkpoint_file.write(tmp_path / "a.safetensors", ODD, {"recipe": "{}", "ünï": "cødé"})
    result = checkpoint_file.read(tmp_path / "a.safetensors")
    assert same(result.weights, ODD)
    assert result.metadata == {"recipe": "{}", "ünï": "cødé"}
    assert result.notes == ()


def test_names_that_begin_like_a_wrapper_survive_writing(tmp_path: Path) -> None:
    """Prefixes are stripped from foreign files only: read after write is the identity."""
    weights = {"model.w": torch.ones(2), "model.b": torch.ones(1)}
    checkpoint_file.write(tmp_path / "a.safetensors", weights)
    assert same(checkpoint_file.read(tmp_path / "a.safetensors").weights, weights)


def test_an_existing_file_is_only_replaced_when_asked(tmp_path: Path) -> None:
    """Somebody's checkpoint is not lost to a name typed twice."""
    path = tmp_path / "a.safetensors"
    checkpoint_file.write(path, {"w": torch.zeros(1)})
    with pytest.raises(Refused, match=r"^a\.safetensors exists already"):
        checkpoint_file.write(path, {"w": torch.ones(1)})
    assert checkpoint_file.read(path).weights["w"] == 0
    checkpoint_file.write(path, {"w": torch.ones(1)}, replace=True)
    assert checkpoint_file.read(path).weights["w"] == 1


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """Whole or not at all."""
    path = tmp_path / "a.safetensors"
    checkpoint_file.write(path, {"w": torch.zeros(1)})
    before = digest(path)
    with pytest.raises(TypeError):
        checkpoint_file.write(path, {"w": torch.ones(1)}, {"epoch": 3}, replace=True)  # pyright: ignore[reportArgumentType]  (the fault)
    with pytest.raises(Refused, match="complex64"):
        checkpoint_file.write(path, {"w": torch.ones(1, dtype=torch.complex64)}, replace=True)
    assert digest(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    """Colleagues on one machine can read each other's checkpoints."""
    (tmp_path / "plain").touch()
    checkpoint_file.write(tmp_path / "a.safetensors", ODD)
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("name", "weights", "metadata", "words"),
    [
        ("a.pt", ODD, {}, r"end in \.safetensors"),
        ("a.safetensors", {}, {}, "no tensors"),
        ("gone/a.safetensors", ODD, {}, "no folder"),
        ("a.safetensors", ODD, {checkpoint_file.TIED: "{}"}, "explorer's own"),
        ("a\0.safetensors", ODD, {}, "not a path"),
        ("a.safetensors", {"w": torch.zeros(2, device="meta")}, {}, "no values"),
    ],
)
def test_what_cannot_be_written_is_refused(name: str, weights: dict[str, Tensor], metadata: dict[str, str], words: str, tmp_path: Path) -> None:
    """Nothing is left behind."""
    with pytest.raises(Refused, match=words):
        checkpoint_file.write(tmp_path / name, weights, metadata)
    assert list(tmp_path.iterdir()) == []


# --- files, digest, stamp -------------------------------------------------------------------------------------------------


def test_files_of_a_folder_in_natural_order(tmp_path: Path) -> None:
    """seed-2 before seed-10; hidden files, other files, folders and broken links are left out."""
    names = ["seed-10.pt", "seed-2.PT", "seed-1.safetensors", "best.ckpt"]
    for name in [*names, ".hidden.pt", "notes.txt"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "broken.pt").symlink_to(tmp_path / "gone.pt")
    (tmp_path / "link.pt").symlink_to(tmp_path / "best.ckpt")
    assert [p.name for p in checkpoints_at(tmp_path)] == ["best.ckpt", "link.pt", "seed-1.safetensors", "seed-2.PT", "seed-10.pt"]
    assert checkpoints_at(tmp_path / "seed-10.pt") == [tmp_path / "seed-10.pt"]


@pytest.mark.parametrize("build", [hostile.folder_without_checkpoints, hostile.missing, hostile.wrong_extension, hostile.pipe, hostile.null_in_path])
@pytest.mark.parametrize("function", [checkpoints_at, stamp])
def test_a_path_without_checkpoints_is_refused(function: Callable[[Path], object], build: Callable[[Path], Path], tmp_path: Path) -> None:
    """files and stamp refuse what read would refuse, as far as the names tell."""
    with pytest.raises(Refused):
        function(build(tmp_path))


def test_digest_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    """Known answer: SHA-256 as anybody computes it."""
    path = tmp_path / "a.pt"
    path.write_bytes(b"abc" * 1_000_000)
    assert digest(path) == hashlib.sha256(b"abc" * 1_000_000).hexdigest()


def test_the_stamp_changes_with_the_files(tmp_path: Path) -> None:
    """A touched, renamed or added file gives another stamp; looking does not."""
    path = hostile.good_pt(tmp_path)
    stamps = [stamp(tmp_path)]
    assert stamp(tmp_path) == stamps[0]
    os.utime(path, ns=(0, 1))
    stamps.append(stamp(tmp_path))
    path.rename(tmp_path / "other.pt")
    stamps.append(stamp(tmp_path))
    hostile.good_safetensors(tmp_path)
    stamps.append(stamp(tmp_path))
    assert len(set(stamps)) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", s) for s in stamps)


def test_a_page_can_list_files_without_torch(tmp_path: Path) -> None:
    """explorer.core.files does not load torch, which costs a page a second."""
    path = hostile.good_pt(tmp_path)
    script = (
        f"import sys; from explorer.core import files as f; f.checkpoints_at({str(tmp_path)!r}); f.digest({str(path)!r});"
        f" f.stamp({str(path)!r}); sys.exit('torch' in sys.modules)"
    )
    root = Path(checkpoint_file.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


# --- folders of shards ----------------------------------------------------------------------------------------------------

A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def sharded(folder: Path, index: object = None) -> Path:
    """Two shards of one tensor each, and the index that lists them, or another one."""
    (folder / "m").mkdir()
    for shard, (name, tensor) in zip((A, B), hostile.good_weights().items(), strict=True):
        save_file({name: tensor}, folder / "m" / shard)
    weight_map = dict(zip(hostile.good_weights(), (A, B), strict=True))
    text = json.dumps({"weight_map": weight_map} if index is None else index)
    (folder / "m" / shards.INDEXES[0]).write_text(text, encoding="utf-8")
    return folder / "m"


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    """The folder is listed as one, alone and beside files; its weights are those of all shards."""
    folder = sharded(tmp_path)
    assert same(checkpoint_file.read(folder).weights, hostile.good_weights())
    assert shards.checkpoints_at(folder) == [folder]
    single = hostile.good_safetensors(tmp_path)
    assert shards.checkpoints_at(tmp_path) == [single, folder]
    assert [shards.name_for(p) for p in (single, folder)] == ["good", "m"]
    with pytest.raises(Refused, match=r"^m has .* bytes, more than the 100"):
        checkpoint_file.read(folder, limit_bytes=100)


@pytest.mark.parametrize("shards_of", [False, True])
def test_a_folder_of_a_trainer_is_its_model(shards_of: bool, tmp_path: Path) -> None:
    """Given directly or in the folder above it: what was saved to go on training is none, and the same model in an older format not another."""
    folder = tmp_path / "checkpoint-500"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for name in ("optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state.pth", "rng_state_1.pth", "scaler.pt", "pytorch_model.bin"):
        torch.save({"state": {}}, folder / name)
    if shards_of:
        save_file(hostile.good_weights(), folder / "model-00001-of-00001.safetensors")
        (folder / shards.INDEXES[0]).write_text(json.dumps({"weight_map": dict.fromkeys(hostile.good_weights(), "model-00001-of-00001.safetensors")}))
    else:
        save_file(hostile.good_weights(), folder / "model.safetensors")
    (model,) = shards.checkpoints_at(folder)
    assert shards.name_for(model) == "checkpoint-500"
    assert same(checkpoint_file.read(model).weights, hostile.good_weights())
    torch.save({}, tmp_path / "training_args.bin")
    assert shards.checkpoints_at(tmp_path) == [model]


def test_what_is_no_folder_of_shards_is_listed_hashed_and_stamped_as_before(tmp_path: Path) -> None:
    """Files, and folders of files."""
    path = hostile.good_pt(tmp_path)
    assert shards.digest(path) == digest(path)
    for at in (path, tmp_path):
        assert shards.stamp(at) == stamp(at)
        assert shards.checkpoints_at(at) == checkpoints_at(at)
    with pytest.raises(Refused, match="is a folder"):
        checkpoint_file.read(tmp_path)


def test_the_digest_and_the_stamp_of_a_folder_change_with_any_of_its_files(tmp_path: Path) -> None:
    """A shard's bytes, a shard's time, the index; not what lies beside them."""
    folder = sharded(tmp_path)
    (folder / "notes.txt").write_text("x")
    before = shards.digest(folder), shards.stamp(folder)
    (folder / "notes.txt").write_text("y")
    assert (shards.digest(folder), shards.stamp(folder)) == before
    os.utime(folder / B, ns=(0, 1))
    assert shards.digest(folder) == before[0]
    assert shards.stamp(folder) != before[1]
    save_file({"layers.0.bias": torch.zeros(3)}, folder / B)
    assert shards.digest(folder) != before[0]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"w": "../good.safetensors"}}, "names ../good.safetensors, which is no .safetensors file beside it"),
        ({"weight_map": {"w": "/etc/x.safetensors"}}, "which is no .safetensors file beside it"),
        ({"weight_map": {"w": "a\\..\\b.safetensors"}}, "which is no .safetensors file beside it"),
        ({"weight_map": {"w": "a\0.safetensors"}}, "which is no .safetensors file beside it"),
        ({"weight_map": {"w": "9" * 5000 + ".safetensors"}}, "which is no .safetensors file beside it"),
        ({"weight_map": {"w": "pickle.bin"}}, "which is no .safetensors file beside it"),
        ({"weight_map": {"w": ".."}}, "which is no .safetensors file beside it"),
        ({"weight_map": {"w": "gone.safetensors", "v": A}}, "m lacks gone.safetensors, of 2 files"),
        ({"weight_map": {f"w{i}": f"{i}.safetensors" for i in range(2000)}}, "names 2,000 files, and at most 1,000"),
        ({"weight_map": {"w": 3}}, "no 'weight_map'"),
        ({"weight_map": {}}, "no 'weight_map'"),
        ({"weight_map": ["a"]}, "no 'weight_map'"),
        ([], "no 'weight_map'"),
        ({"weight_map": {"layers.0.weight": A, "layers.0.bias": A}}, "do not hold layers.0.bias"),
    ],
)
def test_an_index_that_lies_is_refused_in_a_sentence(index: object, message: str, tmp_path: Path) -> None:
    """Nothing outside the folder is opened, and nothing is left out."""
    hostile.good_safetensors(tmp_path)
    with pytest.raises(Refused, match=message):
        checkpoint_file.read(sharded(tmp_path, index))


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, "\ufeff\ud7ff", "{" + '"a":{' * 100_000])
def test_an_index_that_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    """Cut off, or nested without end."""
    folder = sharded(tmp_path)
    (folder / shards.INDEXES[0]).write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=r"index\.json is not valid JSON"):
        checkpoint_file.read(folder)


def test_an_index_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A sparse file costs the sender nothing."""
    folder = sharded(tmp_path)
    with (folder / shards.INDEXES[0]).open("r+b") as file:
        file.truncate(shards.LIMIT_BYTES + 1)
    with pytest.raises(Refused, match="more than 67,108,864 bytes"):
        checkpoint_file.read(folder)


def test_a_tensor_in_two_shards_is_refused_and_one_that_the_index_leaves_out_is_noted(tmp_path: Path) -> None:
    """Which of two would be meant is not guessed."""
    folder = sharded(tmp_path)
    save_file({"layers.0.bias": torch.zeros(3), "extra": torch.zeros(1)}, folder / B)
    assert checkpoint_file.read(folder).notes == ("assembled from 2 files", "not in the index: extra")
    save_file(hostile.good_weights(), folder / B)
    with pytest.raises(Refused, match=r"layers.0.weight is in model-00002-of-00002.safetensors and in another shard"):
        checkpoint_file.read(folder)


@pytest.mark.parametrize(
    "build", [hostile.bad_offsets, hostile.overlapping_offsets, hostile.header_bomb, hostile.deep_header, hostile.vast_zero_dims]
)
def test_a_hostile_shard_is_refused_like_any_file(build: Callable[[Path], Path], tmp_path: Path) -> None:
    """By the name of the shard."""
    folder = sharded(tmp_path)
    build(tmp_path).replace(folder / B)
    with pytest.raises(Refused, match=B):
        checkpoint_file.read(folder)


@settings(max_examples=50, deadline=timedelta(seconds=5))
@given(
    data=st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)).map(
        lambda v: json.dumps({"weight_map": v}).encode()
    )
)
def test_any_index_is_read_or_refused(data: bytes) -> None:
    """Nothing but a Refused comes out, whatever is in it."""
    with TemporaryDirectory() as name:
        folder = sharded(Path(name))
        (folder / shards.INDEXES[0]).write_bytes(data)
        with pytest.raises(Refused):
            checkpoint_file.read(folder)


# --- check and finite -----------------------------------------------------------------------------------------------------


def test_weights_that_fit_pass() -> None:
    """Names in any order, shapes as tuples."""
    assert checkpoint_file.check(hostile.good_weights(), {"layers.0.bias": (3,), "layers.0.weight": (3, 4)}, what="a.pt") is None


def test_a_misfit_names_the_first_differences_and_counts_the_rest() -> None:
    """Both shapes are in the sentence, so that one sees which way it is wrong."""
    weights = {"a": torch.zeros(128, 64), "b": torch.zeros(2), "new": torch.zeros(()), "other": torch.zeros(1)}
    with pytest.raises(Refused) as refusal:
        checkpoint_file.check(weights, {"a": (64, 64), "b": (2,), "c": (3,)}, what="a.safetensors")
    assert str(refusal.value) == (
        "a.safetensors does not fit the network: a is 128×64, 64×64 expected; c is missing, 3 expected; new (a scalar) belongs to no layer of the"
        " network; 1 more differs. Choose a checkpoint of this architecture, or the problem that it was trained on."
    )


def test_a_value_that_is_not_finite_is_refused_by_name_and_number() -> None:
    """The first tensor is named; integers cannot be infinite; float8 is looked into as well."""
    weights = {"n": torch.tensor(3), "good": torch.ones(2), "w": torch.tensor([1.0, float("nan"), float("-inf")])}
    with pytest.raises(Refused, match=r"^a\.pt has 2 of 3 values that are NaN or infinite in w;"):
        checkpoint_file.finite(weights, "a.pt")
    with pytest.raises(Refused, match="1 of 1"):
        checkpoint_file.finite({"w": torch.tensor([float("nan")]).to(torch.float8_e4m3fn)}, "a.pt")
    assert checkpoint_file.finite(hostile.good_weights(), "a.pt") is None


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_an_outline_is_the_checkpoint_without_its_values(ending: str, tmp_path: Path) -> None:
    """Names, shapes, types, ties and notes as they are read, and no memory behind them."""
    weights = {"module.a.weight": torch.randn(3, 4), "module.n": torch.tensor(7), "module.half": torch.zeros(2, dtype=torch.bfloat16)}
    weights["module.tied"] = weights["module.a.weight"]
    path = tmp_path / f"m{ending}"
    if ending == ".pt":
        torch.save({"state_dict": weights, "epoch": 3}, path)
    else:
        save_file({k: v for k, v in weights.items() if k != "module.tied"}, path, {"module.tied": "module.a.weight"})
    outline, read = checkpoint_file.outline(path), checkpoint_file.read(path)
    assert outline.notes == read.notes and outline.notes
    assert [(n, t.shape, t.dtype) for n, t in outline.weights.items()] == [(n, t.shape, t.dtype) for n, t in read.weights.items()]
    assert all(t.is_meta for t in outline.weights.values())
    assert outline.weights["tied"] is outline.weights["a.weight"]


def test_a_file_is_digested_anew_when_it_was_written_to(tmp_path: Path) -> None:
    """Also where its size and its time of writing are those of before; otherwise once."""
    path = tmp_path / "m.pt"
    path.write_bytes(b"a" * 2**27)
    past = path.stat().st_mtime - 60
    os.utime(path, (past, past))
    first = digest(path)
    time.sleep(max(0.0, path.stat().st_ctime + 2.1 - time.time()))
    assert digest(path) == first
    begun = time.process_time()
    assert digest(path) == first
    assert time.process_time() - begun < 0.02
    path.write_bytes(b"b" * 2**27)
    os.utime(path, (past, past))
    assert digest(path) != first


def test_the_same_weights_are_the_same_file_byte_for_byte(tmp_path):
    """Whatever the order in which metadata came, and whoever writes: a model that is made twice has one digest."""
    tensor = torch.arange(4.0)
    weights = {"b": tensor, "a": tensor, "c": tensor + 1}
    metadata = {f"k{i}": 'ä\u2028\x7f\x01"' * i for i in range(8)}
    written = set()
    for i in range(6):
        checkpoint_file.write(path := tmp_path / f"{i}.safetensors", weights, dict(list(metadata.items())[:: 1 if i % 2 else -1]))
        written.add(path.read_bytes())
    assert len(written) == 1
    found = checkpoint_file.read(path)
    assert found.metadata == metadata and found.weights["a"] is found.weights["b"]
