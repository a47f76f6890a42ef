"""LoRA adapters as corners: a base and what PEFT saved of its fine-tunes, without a merged file."""

import json
import os
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from explorer import api
from explorer.checkpoints import checkpoint_file, lora, sharded
from explorer.checkpoints.lazy_weights import Streamed, open_lazily
from explorer.checkpoints.weights import gram
from explorer.core import locations, model_path
from explorer.core.errors import Refused
from explorer.engine.run_loop import corners_of
from explorer.merging import engine, plan
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry.assignment import once
from tests.commands.test_main import run

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import
hf = import_module("transformers")
peft = import_module("peft")

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, about kernels that are not installed

VOCAB, CONTEXT = 16, 8
KINDS = {
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": CONTEXT, "vocab_size": VOCAB},
    "llama": {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": VOCAB}
    | {"max_position_embeddings": CONTEXT, "tie_word_embeddings": True},
}
TARGETS = {"gpt2": {"target_modules": ["c_attn"], "fan_in_fan_out": True}, "llama": {"target_modules": ["q_proj", "down_proj"], "use_rslora": True}}


def network(kind: str, dtype=torch.float32):
    """Always the same one."""
    torch.manual_seed(0)
    return hf.AutoModelForCausalLM.from_config(hf.AutoConfig.for_model(kind, **KINDS[kind])).to(dtype)


def at(place, adapter=""):
    """The file of the base, with an adapter on it."""
    (file,) = sharded.checkpoints_at(f"{place / 'base'}+{place / adapter}" if adapter else place / "base")
    return file


def folder(place, kind: str, dtype=torch.float32):
    """A base and two adapters as the libraries save them, and what PEFT merges of each."""
    network(kind, dtype).save_pretrained(place / "base")
    rng = np.random.default_rng(0)
    np.savez(place / "base" / "tokens.npz", x=rng.integers(0, VOCAB, (60, CONTEXT)), y=rng.integers(0, VOCAB, (60, CONTEXT)))
    (place / "base" / "problem.toml").write_text('[network]\nname = "hugging_face"\n[data]\nname = "npz"\npath = "tokens.npz"\n')
    merged = {}
    for seed, name in enumerate(("one", "two"), start=1):
        wrapped = peft.get_peft_model(network(kind, dtype), peft.LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=6, **TARGETS[kind]))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in wrapped.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator).to(parameter))
        wrapped.save_pretrained(place / name)
        merged[name] = wrapped.merge_and_unload().state_dict()
    return merged


@pytest.mark.parametrize("kind", KINDS)
def test_base_plus_adapter_is_what_peft_merges(tmp_path, kind):
    """Read, outlined, and read tensor by tensor; the digest is of both, wherever they lie."""
    merged = folder(tmp_path, kind)
    path = at(tmp_path, "one")
    spec = problem_toml.beside(path)
    assert spec is not None
    shapes = Problem(spec).shapes()
    found = checkpoint_file.read(path)
    assert (
        {n: tuple(t.shape) for n, t in found.weights.items()}
        == shapes
        == {n: tuple(t.shape) for n, t in checkpoint_file.outline(path).weights.items()}
    )
    for name, tensor in found.weights.items():
        assert torch.allclose(tensor, merged["one"][name], atol=1e-6), name
    changed = [n for n, t in found.weights.items() if not torch.equal(t, checkpoint_file.read(at(tmp_path)).weights[n])]
    assert len(changed) == (2 if kind == "gpt2" else 4)
    assert len({sharded.digest(p) for p in (path, at(tmp_path), at(tmp_path, "two"))}) == 3
    assert sharded.name_for(path) == "base+one"
    before = sharded.digest(path)
    (tmp_path / "one").rename(tmp_path / "moved")
    assert sharded.digest(at(tmp_path, "moved")) == before


def test_a_large_base_stays_on_its_disk(tmp_path):
    """Only what the adapter changes is worked out, when it is asked for; the same bits as in memory."""
    folder(tmp_path, "llama")
    path = at(tmp_path, "one")
    shapes = Problem(problem_toml.beside(path)).shapes()
    streamed = open_lazily(path, shapes)
    assert isinstance(streamed, Streamed)
    plain = checkpoint_file.read(path).weights
    assert all(torch.equal(streamed[name], plain[name]) for name in shapes)


def test_tensors_that_are_made_when_they_are_asked_for_are_no_ties(tmp_path):
    """Another tensor comes to lie where one lay that was let go of: all of them count in distances, and are aligned."""
    folder(tmp_path, "llama")
    paths = [at(tmp_path, name) for name in ("one", "two")]
    problem = Problem(problem_toml.beside(paths[0]))
    streamed = [open_lazily(path, problem.shapes()) for path in paths]
    plain = [checkpoint_file.read(path).weights for path in paths]
    assert np.array_equal(gram(streamed, problem.parameters()), gram(plain, problem.parameters()))
    assert once(streamed[0], problem.parameters()) == once(plain[0], problem.parameters()) == problem.parameters()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_line_and_a_plane_through_a_base_and_two_adapters(tmp_path, home, dtype):
    """Measured as of the merged files, and no file is written; the models are saved in the type of the base."""
    folder(tmp_path, "llama", dtype)
    base = tmp_path / "base"
    corners = [base, f"{base}+{tmp_path / 'one'}", f"{base}+{tmp_path / 'two'}"]
    for name in ("one", "two"):
        engine.merge(plan.of_recipe(f"merge_method: passthrough\nmodels: [{{model: {base}+{tmp_path / name}}}]"), tmp_path / f"merged-{name}")
    line = api.interpolate(*corners[1:], sampler="grid", options={"size": 5})
    files = api.interpolate(tmp_path / "merged-one", tmp_path / "merged-two", problem=base, sampler="grid", options={"size": 5})
    assert line.points.means() == pytest.approx(files.points.means(), rel=1e-5)
    assert [c.name for c in line.run.field.corners] == ["base+one", "base+two"]
    assert all(c.half == (dtype == torch.bfloat16) for c in line.run.field.corners)
    plane = api.landscape(*corners, size=3)
    assert np.isfinite(plane.points.values).all()
    assert not any((home / "models").glob("*"))


def test_a_path_with_an_adapter_means_the_same_from_anywhere(tmp_path, monkeypatch):
    """What is written down is absolute in both parts, and a path with a + of its own is meant as it stands."""
    folder(tmp_path, "llama")
    monkeypatch.chdir(tmp_path)
    written = locations.shorten(model_path.parse("base+one").at(model_path.parse("base+one").path))
    assert written == f"{tmp_path / 'base'}+{tmp_path / 'one'}"
    monkeypatch.chdir("/")
    assert model_path.parse(written).adapter == tmp_path / "one"
    own = tmp_path / "a+one"
    own.mkdir()
    assert model_path.parse(own).adapter is None
    chosen = model_path.parse(f"{tmp_path / 'base'}#renamed+{tmp_path / 'one'}")
    assert (chosen.renamed, chosen.adapter) == (True, tmp_path / "one")
    assert model_path.parse(chosen.at(chosen.path)) == chosen
    assert replace(chosen, adapter=None).at(chosen.path) == tmp_path / "base#renamed"


def test_commands_take_adapters_and_say_what_is_wrong_with_them(tmp_path, home, monkeypatch):
    """`look` and `barrier`; an adapter alone, one of another model."""
    folder(tmp_path, "llama")
    monkeypatch.chdir(tmp_path)
    assert "base+one" in run("look", "base+one")
    assert json.loads(run("barrier", "base", "base+one", "--sampler", "grid", "--points", 5, "--json"))["problem"] == "base"
    assert "an adapter, which changes a model: write model+adapter" in run("barrier", "base", "one", code=2)
    config = json.loads((tmp_path / "two" / lora.CONFIG).read_text())
    (tmp_path / "two" / lora.CONFIG).write_text(json.dumps(config | {"use_dora": True}))
    assert "an adapter of the kind DoRA" in run("barrier", "base", "base+two", code=2)
    tensors = load_file(tmp_path / "one" / lora.WEIGHTS)
    save_file({n.replace("layers.1", "layers.9"): t for n, t in tensors.items()}, tmp_path / "one" / lora.WEIGHTS)
    with pytest.raises(Refused, match=r"one changes model.layers.9.*, which model.safetensors does not have"):
        checkpoint_file.read(at(tmp_path, "one"))


def test_corners_are_let_go_of_as_any_others(tmp_path, home, store, monkeypatch):
    """Where all corners together do not fit into memory, they are read from the disk with their adapters."""
    folder(tmp_path, "llama")
    monkeypatch.setattr("explorer.engine.run_loop.SHARE", 0.0)
    field = api.interpolate(tmp_path / "base", f"{tmp_path / 'base'}+{tmp_path / 'one'}", sampler="grid", options={"size": 3}).run.field
    plain = checkpoint_file.read(at(tmp_path, "one")).weights
    corner = corners_of(field, store, home)[1]
    assert all(torch.equal(corner[name], plain[name]) for name in plain)
