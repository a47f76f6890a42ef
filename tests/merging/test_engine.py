"""Merging from files to files: the bits of a plain loop, the results of the methods in memory, and nothing half-done left behind."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import engine, output, plan
from explorer.merging.blocks import BLOCK
from tests.merging import drawn, identical, loaded, saved


def merged(three, method, options=None, *, paths=None, **how):
    engine.merge(plan.of_method(registry.method("fuse", method, options or {}), [str(p) for p in paths or three.paths]), three.out, **how)
    return loaded(three.out)


def recipe(three, text, **how):
    for name, path in zip("abc", three.paths, strict=True):
        text = text.replace(f"<{name}>", str(path))
    engine.merge(plan.of_recipe(text), three.out, **how)
    return loaded(three.out)


def numpy_loop(weights, coefficients):
    """Σ cᵢ·Wᵢ in single precision, entry after entry, and bfloat16 by integer arithmetic: to nearest, to even half-way."""
    found = {}
    for name in weights[0]:
        total = np.zeros(weights[0][name].shape, np.float32)
        for i, (c, w) in enumerate(zip(coefficients, weights, strict=True)):
            term = np.float32(c) * w[name].float().numpy()
            total = term if i == 0 else total + term
        raw = total.view(np.uint32).astype(np.uint64)
        rounded = ((raw + 0x7FFF + ((raw >> 16) & 1)) >> 16).astype(np.uint16)
        found[name] = torch.from_numpy(rounded).view(torch.bfloat16)
    return found


def test_linear_has_the_bits_of_a_plain_loop(three):
    """Float32 sums and rounding to nearest even, worked out with numpy's integers."""
    assert three.weights[0]["model.embed_tokens.weight"].numel() > BLOCK
    found = merged(three, "average", {"weights": (0.5, 0.3, 0.2)})
    assert identical(found, numpy_loop(three.weights, (0.5, 0.3, 0.2)))


def test_halves_are_rounded_to_even(three):
    """1 + 2⁻⁸ lies half-way between two bfloat16: down to 1; 1 + 3·2⁻⁸ half-way as well: up."""
    for path, value in zip(three.paths[:2], (1.0, 1.0 + 2**-7), strict=True):
        saved(path, {"w": torch.tensor([value, value + 2**-7], dtype=torch.bfloat16)})
    assert merged(three, "uniform_soup", paths=three.paths[:2])["w"].tolist() == [1.0, 1.0 + 2**-6]


METHODS = [
    ("uniform_soup", {}),
    ("average", {"weights": (1.0, 2.0, 1.0), "normalise": True}),
    ("task_arithmetic", {"coefficients": (0.7, -0.4)}),
    ("slerp", {"t": 0.3}),
    ("slerp", {"t": 0.3, "scope": "model"}),
    ("karcher", {}),
    ("karcher", {"scope": "model", "weights": (1.0, 2.0, 3.0)}),
    ("interpolate", {"t": 1.5}),
    ("ties", {"density": 0.3}),
    ("ties", {"density": 0.3, "trim": "tensor", "elect": "count", "weights": (1.0, 3.0)}),
    ("dare", {"drop": 0.4, "seed": 3}),
    ("dare", {"drop": 0.4, "elect": "mass", "scale": 0.6}),
    ("breadcrumbs", {"smallest": 0.5, "largest": 0.1}),
    ("della", {"drop": 0.5, "spread": 0.4}),
    ("model_stock", {}),
]


@pytest.mark.parametrize(("name", "options"), METHODS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_block_by_block_is_as_in_memory(three, tiny, name, options, dtype):
    """Every method that is in both: the same model, but for how a sum over blocks is rounded before an angle is taken of it."""
    weights = [{k: v.to(dtype) for k, v in w.items()} for w in three.weights]
    count = min(3, registry.models_of(name)[1] or 3)
    paths = [saved(p, w) for p, w in zip(three.paths, weights, strict=True)][:count]
    found = merged(three, name, options, paths=paths)
    whole = registry.find("fuse", name)(weights[:count], tiny.problem, **registry.method("fuse", name, options).kwargs())
    assert found.keys() == whole.keys()
    for k in found:
        assert found[k].dtype == dtype
        assert torch.allclose(found[k].double(), whole[k].double(), rtol=1e-6 if dtype == torch.float32 else 1e-2, atol=1e-9), k
        assert (found[k] != whole[k]).double().mean() < (0.02 if dtype != torch.float32 else 0.6), k


@pytest.mark.parametrize(("name", "options"), METHODS)
def test_the_bits_do_not_depend_on_the_threads(three, name, options):
    """One thread, and four."""
    paths = three.paths[: min(3, registry.models_of(name)[1] or 3)]
    one = merged(three, name, options, paths=paths, threads=1)
    assert identical(one, merged(three, name, options, paths=paths, threads=4, force=True))


def test_shards_in_and_out(three):
    """No shard is larger than was asked, the index lists all tensors, and the result is that of one file."""
    whole = merged(three, "uniform_soup")
    three.out.rename(three.folder / "whole")
    found = merged(three, "uniform_soup", shard_bytes=30_000)
    assert identical(found, whole)
    index = json.loads((three.out / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == whole.keys()
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in whole.values())
    for shard in set(index["weight_map"].values()):
        tensors = loaded(three.out / shard)
        assert len(tensors) == 1 or sum(t.nbytes for t in tensors.values()) <= 30_000
    assert identical(checkpoint_file.read(three.out).weights, checkpoint_file.read(three.folder / "whole" / "model.safetensors").weights)
    again = three.folder / "again"
    engine.merge(plan.of_method(registry.method("fuse", "uniform_soup"), [str(three.out)] * 2), again)
    assert identical(loaded(again), whole)


def test_one_file_where_a_file_is_named(three):
    """OUT that ends in .safetensors."""
    three.out = three.folder / "out.safetensors"
    assert identical(merged(three, "average", {"weights": (1.0, 0.0, 0.0)}), three.weights[0])


def test_what_goes_with_a_model_is_copied(three):
    """Configuration and tokenizer of the first model, and no hidden file stays."""
    (three.paths[0] / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    recipe(three, "merge_method: linear\nmodels: [{model: <a>, parameters: {weight: 1}}, {model: <b>, parameters: {weight: 1}}]\ndtype: float32")
    assert {p.name for p in three.out.iterdir()} == {"model.safetensors", "config.json", "tokenizer.json", "mergekit_config.yml"}
    assert json.loads((three.out / "config.json").read_text())["torch_dtype"] == "float32"
    assert {p.name for p in three.folder.iterdir()} == {"a", "b", "c", "out"}


def test_slices_stack_layers_anew(three):
    """Layers 0, 1 of a, then 1, 2 of b; the embeddings of the first slice, the head of the last, and the new number of layers."""
    found = recipe(
        three,
        "merge_method: passthrough\nslices:\n- sources: [{model: <a>, layer_range: [0, 2]}]\n- sources: [{model: <b>, layer_range: [1, 3]}]",
    )
    a, b = three.weights[:2]
    for i, (w, k) in enumerate([(a, 0), (a, 1), (b, 1), (b, 2)]):
        assert torch.equal(found[f"model.layers.{i}.attn.weight"], w[f"model.layers.{k}.attn.weight"])
    assert torch.equal(found["model.embed_tokens.weight"], a["model.embed_tokens.weight"])
    assert torch.equal(found["lm_head.weight"], b["lm_head.weight"])
    assert json.loads((three.out / "config.json").read_text())["num_hidden_layers"] == 4


def test_a_negative_weight_takes_a_model_away(three):
    """TIES of a recipe: weights may be negative and need not be divided by; against entry by entry."""
    found = recipe(
        three,
        "merge_method: ties\nbase_model: <a>\nmodels: [{model: <b>, parameters: {weight: 1}}, {model: <c>, parameters: {weight: -0.5}}]\n"
        "parameters: {normalize: false, lambda: 2}\nout_dtype: float32",
    )["model.norm.weight"]
    base, b, c = (w["model.norm.weight"].float() for w in three.weights)
    votes = torch.stack([b - base, -0.5 * (c - base)])
    agree = votes * votes.sum(0).sign() > 0
    assert torch.allclose(found, base + 2 * (votes * agree).sum(0), rtol=1e-6, atol=1e-8)


def test_whole_numbers_and_running_statistics(three):
    """Counters are the first model's; a variance is a mean, whatever is extrapolated."""
    for path, value in zip(three.paths[:2], (1.0, 2.0), strict=True):
        saved(path, {"w": torch.tensor([value]), "bn.running_var": torch.tensor([value]), "n": torch.tensor([int(value)]), "e": torch.zeros(0, 3)})
    found = merged(three, "interpolate", {"t": 3.0}, paths=three.paths[:2])
    assert (found["w"].item(), found["bn.running_var"].item(), found["n"].item(), found["e"].shape) == (4, 2, 1, (0, 3))


def test_tied_tensors_stay_tied(three):
    """One memory under two names: stored once, and found under both."""
    for path, seed in zip(three.paths[:2], (1, 2), strict=True):
        w = torch.randn(4, 4, generator=torch.Generator().manual_seed(seed))
        (path / "model.safetensors").unlink()
        checkpoint_file.write(path / "model.safetensors", {"a": w, "b": w, "c": w + 1})
    engine.merge(plan.of_method(registry.method("fuse", "uniform_soup"), [str(p) for p in three.paths[:2]]), three.out, shard_bytes=1)
    found = checkpoint_file.read(three.out).weights
    assert found["a"] is found["b"] and set(found) == {"a", "b", "c"}


@contextmanager
def nothing_left(three):
    """A refusal that leaves the folder as it was."""
    before = sorted(three.folder.rglob("*"))
    yield
    assert sorted(three.folder.rglob("*")) == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("name", "options"), [("uniform_soup", {}), ("ties", {}), ("average", {"weights": (1.0, 1e-9, 0.0)})])
def test_values_that_are_not_finite_are_refused(three, value, name, options):
    """With the tensor and the model, however small its weight."""
    three.weights[1]["lm_head.weight"][699, 59] = value
    saved(three.paths[1], three.weights[1])
    with nothing_left(three), pytest.raises(Refused, match=r"lm_head.weight of .*b has values that are NaN or infinite"):
        merged(three, name, options)


def test_values_beyond_the_result_are_refused(three):
    """70 000 does not fit into float16."""
    for path in three.paths:
        saved(path, {"w": torch.tensor([7e4])})
    text = "merge_method: linear\nmodels: [{model: <a>, parameters: {weight: 1}}, {model: <b>, parameters: {weight: 1}}]\ndtype: float16"
    with pytest.raises(Refused, match="beyond what F16 holds"):
        recipe(three, text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("merge_method: linear\nmodels: [{model: <a>, parameters: {weight: 1}}, {model: <b>, parameters: {weight: -1}}]", "sum to zero"),
        ("merge_method: ties\nbase_model: <a>\nmodels: [{model: <b>, parameters: {weight: 0}}]", "sum to zero"),
        ("merge_method: ties\nbase_model: <a>\nmodels: [{model: <b>, parameters: {weight: 1, density: 1.7}}]", "density from 0 to 1"),
        ("merge_method: dare_ties\nbase_model: <a>\nmodels: [{model: <b>, parameters: {weight: 1, density: -0.1}}]", "density from 0 to 1"),
        ("merge_method: ties\nmodels: [{model: <b>, parameters: {weight: 1}}]", "needs a base_model"),
        ("merge_method: slerp\nbase_model: <a>\nmodels: [{model: <b>}, {model: <c>}]\nparameters: {t: 0.5}", "needs 1 models besides its base"),
        ("merge_method: linear\nmodels: [{model: <a>, parameters: {weight: 1}}, {model: <a>, parameters: {weight: 1}}]", "twice in one merge"),
        ("merge_method: linear\nmodels: [{model: gone/model, parameters: {weight: 1}}]", "Models are not downloaded"),
        ("merge_method: linear\nmodels: [{model: <a>@main, parameters: {weight: 1}}]", "Revisions are not fetched"),
        ("merge_method: passthrough\nslices: [{sources: [{model: <a>, layer_range: [0, 9]}]}]", "which has 3"),
    ],
)
def test_what_a_recipe_may_not_ask(three, text, sentence):
    """One sentence each, and nothing is written."""
    with nothing_left(three), pytest.raises(Refused, match=sentence):
        recipe(three, text)


def test_opposite_directions_are_refused(three):
    """No arc is the shortest."""
    w = drawn(5)
    for path, sign in zip(three.paths[:2], (1, -1), strict=True):
        saved(path, {k: sign * v for k, v in w.items()})
    with nothing_left(three), pytest.raises(Refused, match="pointing in opposite directions in .*weight"):
        merged(three, "slerp", paths=three.paths[:2])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w | {"extra": torch.ones(1)}, "extra is in .*b and not in"),
        (lambda w: {k: v for k, v in w.items() if k != "model.norm.weight"}, "model.norm.weight is in .*a and not in"),
        (lambda w: w | {"model.norm.weight": torch.ones(59)}, "model.norm.weight is 60 in .* and 59 in"),
        (lambda w: w | {"lm_head.weight": torch.ones(1401, 60)}, "vocabulary of 1,400 tokens and .* one of 1,401"),
    ],
)
def test_models_that_do_not_go_together_are_refused(three, change, sentence):
    """Other names, other shapes, another vocabulary."""
    saved(three.paths[1], change(three.weights[1]))
    with nothing_left(three), pytest.raises(Refused, match=sentence):
        merged(three, "uniform_soup")


def test_vocabularies_of_one_size_that_differ_are_refused(three):
    """Same number of tokens, two of them exchanged."""
    for path, tokens in zip(three.paths, ({"x": 0, "y": 1}, {"x": 0, "y": 1}, {"x": 1, "y": 0}), strict=True):
        (path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": tokens}}))
    merged(three, "uniform_soup", paths=three.paths[:2])
    with pytest.raises(Refused, match="The vocabularies differ: 'x' is token 0"):
        merged(three, "uniform_soup", force=True)


def test_what_exists_is_not_replaced_unasked(three):
    """Not a model, not with force what is merged or what is no model."""
    first = merged(three, "uniform_soup")
    with nothing_left(three), pytest.raises(Refused, match="exists already"):
        merged(three, "average", {"weights": (1.0, 0.0, 0.0)})
    assert not identical(merged(three, "average", {"weights": (1.0, 0.0, 0.0)}, force=True), first)
    three.out = three.paths[1]
    with nothing_left(three), pytest.raises(Refused, match="is, or contains, one of the models"):
        merged(three, "uniform_soup", force=True)
    three.out = three.folder / "precious"
    three.out.mkdir()
    (three.out / "thesis.tex").write_text("x")
    with nothing_left(three), pytest.raises(Refused, match="not a model's folder"):
        merged(three, "uniform_soup", force=True)


@pytest.mark.parametrize("harm", ["missing", "cut", "unlisted"])
def test_shards_that_are_not_whole_are_refused(three, harm):
    """An index that names a file that is not there, is too short, or does not hold what is said."""
    merged(three, "uniform_soup", shard_bytes=30_000)
    broken = three.out.rename(three.folder / "broken")
    shard = min(broken.glob("*.safetensors"))
    tensors = loaded(shard)
    if harm == "missing":
        shard.unlink()
    elif harm == "cut":
        shard.write_bytes(shard.read_bytes()[:-10])
    else:
        save_file({f"{k}x": v for k, v in tensors.items()}, shard)
    with nothing_left(three), pytest.raises(Refused, match={"missing": "lacks", "cut": "damaged", "unlisted": "do not hold"}[harm]):
        merged(three, "uniform_soup", paths=[broken, three.paths[0]])


def test_methods_that_need_samples_say_the_way_out(three):
    """And the shards that hold nothing."""
    with pytest.raises(Refused, match="Add --problem"):
        merged(three, "fisher")
    with pytest.raises(Refused, match="hold nothing"):
        merged(three, "uniform_soup", shard_bytes=0)


def hidden(three):
    return sorted(p.name for p in three.folder.iterdir() if p.name.startswith("."))


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background, interrupts are ignored
from explorer.core import registry
from explorer.merging import engine, plan
def report(done, total):
    if done:
        print("begun", flush=True)
        time.sleep(60)
engine.merge(plan.of_method(registry.method("fuse", "uniform_soup"), sys.argv[2:]), __import__("pathlib").Path(sys.argv[1]), report=report)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_merge_that_is_ended_leaves_no_result(three, how):
    """Killed: nothing under the result's name, and what is hidden goes at the next merge. Interrupted: nothing at all. While it runs, nobody sweeps it."""
    process = subprocess.Popen([sys.executable, "-c", SLOW, three.out, *three.paths], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"begun\n"
    output.sweep(three.out)
    assert len(hidden(three)) == 1
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not three.out.exists()
    assert len(hidden(three)) == (how == signal.SIGKILL)
    merged(three, "uniform_soup")
    assert not hidden(three)


def test_only_drafts_of_the_same_goal_are_swept(three):
    """No other goal's, no file, nothing behind a link, and no model that was put aside."""
    name, code = three.out.name, "0123456789abcdef" * 2
    kept = [f".{name}-2.{code}.tmp", f".{name}.{code}.old", f".{name}.{code[:-1]}x.tmp", f".{name}.x.{code}.tmp", name]
    for folder in [*kept, "elsewhere", f".{name}.{code}.tmp"]:
        (three.folder / folder).mkdir()
        (three.folder / folder / "model.safetensors").touch()
    (three.folder / f".{name}.{code[::-1]}.tmp").symlink_to(three.folder / "elsewhere")
    (three.folder / f".{name}.{'0' * 32}.tmp").touch()
    output.sweep(three.out)
    assert hidden(three) == sorted([*kept[:-1], f".{name}.{code[::-1]}.tmp", f".{name}.{'0' * 32}.tmp"])
    assert all((three.folder / folder / "model.safetensors").exists() for folder in [*kept, "elsewhere"])


PEAK = """
import resource, sys
from pathlib import Path
from explorer.core import registry
from explorer.merging import engine, plan
for out in sys.argv[1:3]:
    engine.merge(plan.of_method(registry.method("fuse", "ties"), [str(Path(out).with_name(Path(out).name[3:]))] * 3), Path(out))
    print(int([l for l in open("/proc/self/status") if l.startswith("VmHWM")][0].split()[1]) * 1024)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")  # noqa: PTH110
def test_memory_does_not_grow_with_the_models(tmp_path):
    """After a merge of 8 MB models, one of 64 MB needs less than 8 MB more, a seventh of what one of them grew by."""
    for size, name in ((2**22, "small"), (2**25, "large")):
        g = torch.Generator().manual_seed(0)
        saved(tmp_path / name, {k: torch.randn(size // 2, generator=g).bfloat16().view(-1, 1024) for k in "ab"}, config=False)
    found = subprocess.run([sys.executable, "-c", PEAK, tmp_path / "at-small", tmp_path / "at-large"], capture_output=True, check=True)
    small, large = map(int, found.stdout.split())
    assert large - small < 2**23
