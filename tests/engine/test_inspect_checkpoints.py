"""Looking at files: what is recognised, what is said of the rest, and that the notes arrive."""

from __future__ import annotations

import json
import re
import shutil
import time
from itertools import pairwise
from math import prod

import pytest
import torch

from explorer.api import connect, interpolate, landscape
from explorer.checkpoints import checkpoint_file
from explorer.core.allowed_folders import within
from explorer.core.errors import Refused
from explorer.core.spec import Look
from explorer.engine.inspect_checkpoints import inspect_path
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.store.records import Facts
from explorer.symmetry import symmetry_of
from tests import hostile


def seen(path, store, **request):
    """What a look at a path finds."""
    return inspect_path(Look(str(path), **request), store, report=lambda *_: True)


def test_checkpoints_of_a_problem_are_recognised_measured_and_compared(tiny, store):
    """By names and shapes, or by their metadata as well; losses on both splits; inner products of all that fit."""
    found = seen(tiny.folder, store)
    assert [f.name for f in found.files] == ["a", "b"]
    assert {f.problem for f in found.files} == {tiny.problem.spec}
    assert all(q.loss[1] <= q.loss[0] <= q.loss[2] for f in found.files for q in f.quality)
    weights = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    product = sum(float((weights[0][n].double() * weights[1][n].double()).sum()) for n in weights[0])
    assert store.gram([f.digest for f in found.files])[0, 1] == pytest.approx(product)
    assert found.files[0].parameters == 64 * 12 + 12 + 12 * 10 + 10


def test_an_upload_is_tried_against_registered_problems(tiny, store, tmp_path, home):
    """It lies in a folder of its own, without a problem.toml; a problem in a folder that may not be read here is not tried."""
    weights = checkpoint_file.read(tiny.a).weights
    (tmp_path / "upload").mkdir()
    checkpoint_file.write(tmp_path / "upload" / "mine.safetensors", weights)
    assert seen(tmp_path / "upload", store).files[0].problem is None
    seen(tiny.a, store)
    with within([str(tmp_path / "upload")], home):
        (hidden,) = seen(tmp_path / "upload", store).files
    assert hidden.problem is None and tiny.problem.spec.name not in hidden.why
    (facts,) = seen(tmp_path / "upload", store).files
    assert facts.problem == tiny.problem.spec
    assert facts.on("test").loss == seen(tiny.a, store).files[0].on("test").loss


def test_a_checkpoint_that_fits_two_problems_says_so(tiny, store, tmp_path):
    """Names and shapes do not tell two splits of the same data apart; the latest registered one is taken, and the other named."""
    weights = checkpoint_file.read(tiny.a).weights
    text = (tiny.folder / "problem.toml").read_text(encoding="utf-8")
    for name, seed in (("first", 0), ("second", 1)):
        (tmp_path / name).mkdir()
        checkpoint_file.write(tmp_path / name / "w.safetensors", weights)
        (tmp_path / name / "problem.toml").write_text(f"{text}[split]\nseed = {seed}\n", encoding="utf-8")
        seen(tmp_path / name, store)
    (tmp_path / "upload").mkdir()
    checkpoint_file.write(tmp_path / "upload" / "mine.safetensors", weights)
    (facts,) = seen(tmp_path / "upload", store).files
    assert facts.problem.name == "second"
    assert facts.why == "mlp, by names and shapes, which fit first, too: choose the problem if it is not this one"


def test_what_was_stripped_and_ignored_is_told(tiny, tmp_path, store):
    """The notes of the reader stand with the file."""
    weights = checkpoint_file.read(tiny.a).weights
    (tmp_path / "problem.toml").write_text((tiny.folder / "problem.toml").read_text(encoding="utf-8"), encoding="utf-8")
    torch.save({"epoch": 3, "state_dict": {f"module.{n}": t for n, t in weights.items()}}, tmp_path / "run.ckpt")
    (facts,) = seen(tmp_path, store).files
    assert facts.problem is not None
    assert facts.notes == ("ignored beside 'state_dict': epoch", "stripped the prefix 'module.'")


def test_a_bad_file_does_not_hide_the_others(tiny, tmp_path, store):
    """It has its sentence, they have their numbers."""
    hostile.truncated_pt(tmp_path)
    checkpoint_file.write(tmp_path / "good.safetensors", checkpoint_file.read(tiny.a).weights)
    bad, good = sorted(seen(tmp_path, store, problem=tiny.problem.spec).files, key=lambda f: f.error == "")
    assert bad.error.startswith("truncated.pt is damaged") and bad.problem is None
    assert good.problem == tiny.problem.spec


def test_half_precision_is_measured_like_single(tiny, tmp_path, store):
    """bf16 and fp16 files give nearly the loss of the float32 file, and are called what they are."""
    weights = checkpoint_file.read(tiny.a).weights
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        checkpoint_file.write(tmp_path / f"{name}.safetensors", {n: t.to(dtype) for n, t in weights.items()})
    files = seen(tmp_path, store, problem=tiny.problem.spec).files
    full = seen(tiny.a, store).files[0]
    assert [f.dtype for f in files] == ["bfloat16", "float16"]
    assert all(f.on("test").loss[0] == pytest.approx(full.on("test").loss[0], rel=0.02) for f in files)


def test_a_model_of_transformers_without_a_problem_says_how_to_make_one(tmp_path, store):
    """What to write under [network] stands in the sentence."""
    hostile.good_safetensors(tmp_path, "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    (facts,) = seen(tmp_path, store).files
    assert (facts.problem, facts.name) == (None, tmp_path.name)
    assert "name = 'hugging_face' and config = 'config.json'" in facts.why


def test_the_problem_of_a_saved_folder_may_lie_one_folder_up(tiny, tmp_path):
    """Only where transformers saved the folder: a problem.toml is not sought all over the disk."""
    (tmp_path / "problem.toml").write_text((tiny.folder / "problem.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "run").mkdir()
    file = tmp_path / "run" / "model.safetensors"
    assert problem_toml.beside(file) is None
    (tmp_path / "run" / "config.json").touch()
    assert problem_toml.beside(file) == problem_toml.beside(tmp_path / "run") == problem_toml.read(tmp_path)


def int8_of(path, folder):
    """A checkpoint's weights as int8 with a scale for each row, in a file of its own; biases stay."""
    found = {}
    for name, w in checkpoint_file.read(path).weights.items():
        if w.dim() == 2:
            scale = w.abs().amax(1)
            found |= {name: (w / scale[:, None] * 127).round().to(torch.int8), name.replace("weight", "SCB"): scale}
        else:
            found[name] = w
    checkpoint_file.write(folder / "int8.safetensors", found)
    return folder / "int8.safetensors"


def test_a_quantised_checkpoint_is_dequantised_when_asked(tiny, tmp_path, store):
    """Its loss is nearly that of the weights it was made of; unasked, its line says what it is. In a folder, the plain ones stay what they are."""
    int8_of(tiny.a, tmp_path)
    checkpoint_file.write(tmp_path / "plain.safetensors", checkpoint_file.read(tiny.a).weights)
    refused, plain = seen(tmp_path, store, problem=tiny.problem.spec).files
    assert refused.error.startswith("int8.safetensors is quantised: layers.0.weight is int8 12×64, scaled by layers.0.SCB")
    asked, same = seen(f"{tmp_path}#dequantised", store, problem=tiny.problem.spec).files
    assert asked.on("test").loss[0] == pytest.approx(plain.on("test").loss[0], rel=0.02)
    assert asked.name == "int8#dequantised"
    assert "dequantised, 2 tensors" in asked.notes[0]
    assert (same.path, same.digest) == (plain.path, plain.digest)


def test_whole_numbers_are_not_recognised_as_a_network_of_reals(tiny, tmp_path, store):
    """Names and shapes fit, and the values are no weights."""
    weights = checkpoint_file.read(tiny.a).weights
    checkpoint_file.write(tmp_path / "q.safetensors", {n: (100 * t).round().to(torch.int8) for n, t in weights.items()})
    (facts,) = seen(tmp_path, store, problem=tiny.problem.spec).files
    assert "of whole numbers (int8 12" in facts.error


def sequential_of(path, folder, name="sequential.pt"):
    """The weights as an nn.Sequential with a ReLU between its layers would save them."""
    weights = checkpoint_file.read(path).weights
    numbers = {"layers.0": "0", "layers.1": "2"}
    torch.save({f"{numbers[n.rpartition('.')[0]]}.{n.rpartition('.')[2]}": t for n, t in weights.items()}, folder / name)
    return folder / name


def test_a_network_under_other_names_is_offered_and_not_taken(tiny, store, tmp_path):
    """With the pairs of names, and the loss of both; with #renamed it is that checkpoint."""
    file = sequential_of(tiny.a, tmp_path)
    (facts,) = seen(file, store, problem=tiny.problem.spec).files
    assert facts.problem is None and facts.renaming.problem == tiny.problem.spec
    assert dict(facts.renaming.names) == dict(zip(("0.weight", "0.bias", "2.weight", "2.bias"), tiny.problem.shapes(), strict=True))
    assert facts.renaming.quality == seen(tiny.a, store).files[0].quality
    assert "put #renamed behind its path" in facts.why and "0.weight → layers.0.weight" in facts.why and "The test loss confirms it" in facts.why
    assert Facts.from_json(facts.to_json()) == facts
    (taken,) = seen(f"{file}#renamed", store, problem=tiny.problem.spec).files
    assert taken.problem == tiny.problem.spec and taken.quality == facts.renaming.quality
    assert taken.notes[0].startswith("renamed in order: ") and "2.weight → layers.1.weight" in taken.notes[0]
    assert taken.digest != facts.digest


def test_a_loss_that_is_that_of_initial_weights_confirms_nothing(tiny, store, tmp_path):
    """Random weights of the right shapes."""
    untrained = dict(tiny.problem.network(seed=3).state_dict())
    checkpoint_file.write(tmp_path / "fresh.safetensors", untrained)
    (facts,) = seen(sequential_of(tmp_path / "fresh.safetensors", tmp_path), store, problem=tiny.problem.spec).files
    assert "The test loss does not confirm it" in facts.why


def test_other_names_are_tried_against_every_known_network(tiny, store, tmp_path):
    """Without a problem.toml: the registered ones; what fits none of them is not offered."""
    file = sequential_of(tiny.a, tmp_path)
    seen(tiny.a, store)
    (facts,) = seen(file, store).files
    assert facts.renaming.problem == tiny.problem.spec
    assert facts.why.startswith("In order, its shapes are those of the network of")
    (taken,) = seen(f"{file}#renamed", store).files
    assert taken.problem == tiny.problem.spec
    torch.save({"0.weight": torch.ones(3, 3)}, tmp_path / "other.pt")
    assert seen(tmp_path / "other.pt", store).files[0].renaming is None


VAST = 8 * 2**30  # bytes of values, all of them holes: to go through them once takes more than four seconds


def vast(folder, layers):
    """A .safetensors of 8 GB of the layers of an MLP that takes no room on the disk, beside a problem of the digits."""
    names = [(f"layers.{i}.{kind}", shape) for i, (a, b) in enumerate(pairwise(layers)) for kind, shape in (("weight", [b, a]), ("bias", [b]))]
    header, end = {}, 0
    for name, shape in names:
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end := end + 4 * prod(shape)]}
    text = json.dumps(header).encode()
    with (folder / "vast.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return folder / "vast.safetensors"


@pytest.mark.parametrize(
    ("head", "classes", "said"), [(11, 10, "layers.2.weight is 11×80000, 10×80000 expected"), (11, 11, "the data have 10 classes")]
)
def test_what_does_not_fit_is_told_by_headers(tmp_path, store, head, classes, said):
    """A wrong number of classes, of the checkpoint or of the problem, costs neither the time nor the memory of the weights."""
    wide = VAST // (4 * 80_000)
    (tmp_path / "problem.toml").write_text(
        f"[network]\nname = 'mlp'\nwidths = [64, {wide}, 80000, {classes}]\n[data]\nname = 'digits'\n", encoding="utf-8"
    )
    file = vast(tmp_path, (64, wide, 80_000, head))
    begun = time.process_time()
    (facts,) = seen(file, store).files
    assert said in (facts.error or facts.why)
    assert time.process_time() - begun < 4
    for measured in (lambda: interpolate(file, file), lambda: landscape(file, file, file), lambda: connect(file, file)):
        with pytest.raises(Refused, match=re.escape(said)):
            measured()
    assert time.process_time() - begun < 4


def test_what_cannot_be_permuted_is_said_with_its_reason(tiny, store):
    """The share of parameters that can move and each axis that keeps its order, as an alignment reports them."""
    (facts, _) = seen(tiny.folder, store).files
    found = symmetry_of(tiny.problem)
    assert facts.movable == found.movable
    assert facts.held == tuple(map(str, found.held)) and "because of the network's outputs" in facts.held[0]
    assert store.checkpoints()[0].fixed() == facts.fixed()
    assert facts.fixed()[0] == f"{100 * found.movable:.1f} % of the parameters of {tiny.problem.spec.name} can be permuted"


def test_the_symmetry_of_a_large_network_is_found_when_it_is_asked_for(tmp_path, store):
    """A look at it does not take the minute otherwise, and says so."""
    (tmp_path / "problem.toml").write_text("[network]\nname = 'mlp'\nwidths = [64, 2900, 2900, 10]\n[data]\nname = 'digits'\n", encoding="utf-8")
    checkpoint_file.write(tmp_path / "w.safetensors", Problem(problem_toml.read(tmp_path)).network().state_dict())
    (facts,) = seen(tmp_path, store).files
    assert facts.movable is None and "was not determined" in facts.fixed()[0]
    (facts,) = seen(tmp_path, store, symmetry=True).files
    assert facts.movable > 0.99 and len(facts.held) == 1


def test_a_look_at_a_folder_forgets_what_is_gone(tiny, store, tmp_path):
    """And nothing else: not what lies in another folder, nor what is still there."""
    for path in (tiny.a, tiny.b, tiny.folder / "problem.toml"):
        shutil.copy(path, tmp_path)
    for folder in (tiny.folder, tmp_path):
        inspect_path(Look(str(folder)), store, report=lambda *_: True)
    (tmp_path / "a.safetensors").unlink()
    inspect_path(Look(str(tmp_path)), store, report=lambda *_: True)
    assert {facts.path for facts in store.checkpoints()} == {str(p.resolve()) for p in (tiny.a, tiny.b, tmp_path / "b.safetensors")}
