"""Models of transformers: the same answers as the library's own loading, one name for a tied weight, and no configuration that does harm."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Look
from explorer.engine.inspect_checkpoints import inspect_path
from explorer.problems import problem_toml
from explorer.problems.nets import hugging_face, shapes_of
from explorer.problems.problem import Problem
from explorer.problems.tied import untie
from explorer.symmetry import discover

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import
hf = import_module("transformers")

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, about kernels that are not installed

GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 8, "vocab_size": 12}
GPT2 |= {"bos_token_id": 1, "eos_token_id": 2}
SMALL = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 12, "max_position_embeddings": 8}
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **SMALL, "tie_word_embeddings": True, "dtype": "bfloat16"}
BERT = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], **SMALL, "id2label": {"0": "a", "1": "b", "2": "c"}}
VIT = {"model_type": "vit", "architectures": ["ViTForImageClassification"], **SMALL, "image_size": 8, "patch_size": 4, "num_channels": 1}
VIT |= {"id2label": {"0": "a", "1": "b", "2": "c"}}
TOKENS = torch.arange(10).reshape(2, 5) + 1
IMAGES = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))

MODELS = {
    "GPT-2": (GPT2, "GPT2LMHeadModel", TOKENS, (2, 5, 12)),
    "Llama": (LLAMA, "LlamaForCausalLM", TOKENS, (2, 5, 12)),
    "BERT": (BERT, "BertForSequenceClassification", TOKENS, (2, 3)),
    "ViT": (VIT, "ViTForImageClassification", IMAGES, (2, 3)),
}


def built(config):
    """The network of a configuration, its weights from the seed 0."""
    resolved = hugging_face.settle({"config": json.dumps(config)}, Path())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return hugging_face.build(**resolved).float().eval()


def saved(folder, config, architecture, **how):
    """A model as the library builds and saves it."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = hf.CONFIG_MAPPING[config["model_type"]](**{k: v for k, v in config.items() if k not in ("model_type", "architectures", "dtype")})
        model = getattr(hf, architecture)(made)
    model.save_pretrained(folder, **how)
    return model.eval()


@pytest.mark.parametrize("name", MODELS)
def test_the_answers_of_a_saved_model_are_those_of_the_library(name, tmp_path):
    """config.json and weights as save_pretrained writes them; same names, same logits, and shapes that need no memory."""
    config, architecture, inputs, shape = MODELS[name]
    theirs = saved(tmp_path, config, architecture)
    options = hugging_face.settle({"config": "config.json"}, tmp_path)
    ours = hugging_face.build(**options).float().eval()
    assert shapes_of(lambda: hugging_face.build(**options)) == {k: tuple(t.shape) for k, t in ours.state_dict().items()}
    ours.load_state_dict(checkpoint_file.read(tmp_path / "model.safetensors").weights)
    with torch.inference_mode():
        answer = ours(inputs)
        wanted = theirs(inputs).logits
    assert type(answer) is Tensor and answer.shape == shape
    assert torch.allclose(answer, wanted, atol=1e-6)
    assert not torch.allclose(answer[0], answer[1])


@pytest.mark.parametrize("name", ["GPT-2", "Llama"])
def test_a_tied_weight_is_there_once_and_read_wherever_it_is_used(name):
    """In state dict and parameters under one name; replacing it there replaces it in the output layer, also in a copy and under functional_call."""
    config, _, inputs, _ = MODELS[name]
    network = built(config)
    assert "lm_head.weight" not in network.state_dict()
    assert [n for n, _ in network.named_parameters(remove_duplicate=False)] == [n for n, _ in network.named_parameters()]
    embedding = next(n for n, t in network.state_dict().items() if t.shape == (12, 8))
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.state_dict(keep_vars=True)[embedding].zero_()
        swapped = {n: torch.zeros_like(t) if n == embedding else t for n, t in network.state_dict().items()}
        called = torch.func.functional_call(network, swapped, (inputs,), tie_weights=False)
        assert not twin(inputs).any() and not called.any()
        assert network(inputs).any()


@pytest.mark.parametrize("name", ["GPT-2", "ViT"])
def test_the_symmetry_of_such_a_network_is_found(name):
    """Every parameter that is no class can move: the forward of its own hides nothing from the export."""
    config, _, inputs, _ = MODELS[name]
    found = discover(built(config), (inputs,))
    assert found.movable == 1 if name == "GPT-2" else found.numel == (found.numel[0], found.numel[0] - 3)  # all but the bias of the classes
    assert (found.unknown, found.warnings) == ((), ())


# --- files of the library -------------------------------------------------------------------------------------------------


def test_a_folder_of_shards_is_the_model_whole(tmp_path):
    """Assembled from all of them: the state dict of the one file, under a digest that any change in a shard changes."""
    saved(tmp_path / "whole", GPT2, "GPT2LMHeadModel")
    saved(tmp_path / "parts", GPT2, "GPT2LMHeadModel", max_shard_size="2KB")
    parts, whole = checkpoint_file.read(tmp_path / "parts"), checkpoint_file.read(tmp_path / "whole" / "model.safetensors")
    files = sorted((tmp_path / "parts").glob("*.safetensors"))
    assert len(files) > 2
    assert parts.notes == (f"assembled from {len(files)} files",)
    assert parts.weights.keys() == whole.weights.keys()
    assert all(torch.equal(t, whole.weights[n]) for n, t in parts.weights.items())


def test_names_of_a_llama_that_all_begin_with_model_stay(tmp_path):
    """With the configuration beside the file, and without it, by the file's own header."""
    saved(tmp_path / "a", LLAMA, "LlamaForCausalLM")
    names = set(built(LLAMA).state_dict())
    assert all(n.startswith("model.") for n in names)
    assert checkpoint_file.read(tmp_path / "a" / "model.safetensors").weights.keys() == names
    (tmp_path / "a" / "model.safetensors").rename(tmp_path / "alone.safetensors")
    assert checkpoint_file.read(tmp_path / "alone.safetensors").weights.keys() == names


@pytest.fixture
def old(tmp_path):
    """How a GPT-2 was saved years ago: a .bin, without the prefix of the model with a head, with its causal masks, and what is tied twice."""
    state = built(GPT2).state_dict()
    entries = {n.removeprefix("transformer."): t for n, t in state.items()}
    entries |= {"h.0.attn.bias": torch.ones(1, 1, 8, 8), "h.0.attn.masked_bias": torch.tensor(-1e4), "lm_head.weight": entries["wte.weight"]}
    (tmp_path / "config.json").write_text(json.dumps(GPT2))
    torch.save(entries, tmp_path / "pytorch_model.bin")
    return SimpleNamespace(path=tmp_path / "pytorch_model.bin", state=state, entries=entries)


def test_an_old_file_gets_the_names_of_the_network_and_the_notes_say_so(old):
    """Prefix added, tied weight kept once, masks ignored."""
    read = checkpoint_file.read(old.path)
    assert read.weights.keys() == old.state.keys()
    assert all(torch.equal(t, old.state[n]) for n, t in read.weights.items())
    renamed, tied, ignored = read.notes
    assert "wte.weight (now transformer.wte.weight)" in renamed
    assert tied == "kept once, tied by the config.json: lm_head.weight"
    assert ignored == "ignored, as transformers does: h.0.attn.bias, h.0.attn.masked_bias"


def test_a_weight_of_which_only_the_tied_name_was_stored_is_found(old):
    """The library reads it from there as well."""
    del old.entries["wte.weight"]
    torch.save(old.entries, old.path)
    assert checkpoint_file.read(old.path).weights.keys() == old.state.keys()


def test_tied_weights_that_differ_are_refused(old):
    """One of them would have to be thrown away."""
    old.entries["lm_head.weight"] = old.entries["lm_head.weight"] + 1
    torch.save(old.entries, old.path)
    with pytest.raises(Refused, match=r"lm_head\.weight and transformer\.wte\.weight are one weight by the config.json, and differ"):
        checkpoint_file.read(old.path)


def test_a_configuration_that_is_not_understood_leaves_the_names_and_is_noted(old):
    """A config.json may belong to anything."""
    (old.path.parent / "config.json").write_text('{"learning_rate": 0.1}')
    read = checkpoint_file.read(old.path)
    assert read.weights.keys() == old.entries.keys()
    assert read.notes[0].startswith("the config.json beside it was not used: The config.json has no 'model_type'")


def test_models_of_the_library_in_folders_are_looked_at_by_their_folders(folder, store):
    """One checkpoint for each folder, whole or in shards, named by it, measured, and their Gram matrix taken."""
    for name, how in (("b", {}), ("c", {"max_shard_size": "2KB"})):
        saved(folder / name, GPT2, "GPT2LMHeadModel", **how)
    seen = inspect_path(Look(str(folder)), store, report=lambda *_: True)
    assert [(f.name, f.error) for f in seen.files] == [("b", ""), ("c", "")]
    assert [Path(f.path).name for f in seen.files] == ["model.safetensors", "c"]
    assert seen.files[0].parameters == seen.files[1].parameters == sum(p.numel() for p in built(GPT2).parameters())
    assert seen.files[1].on("test").loss[0] == pytest.approx(seen.files[0].on("test").loss[0])
    assert seen.group == (0, 1)
    products = store.gram([f.digest for f in seen.files])
    assert products == pytest.approx(np.full((2, 2), products[0, 0]))


# --- problems -------------------------------------------------------------------------------------------------------------


def test_what_pads_a_text_does_not_change_its_class():
    """A classifier masks what equals pad_token_id."""
    network = built(BERT)
    padded = torch.cat([TOKENS, torch.zeros(2, 2, dtype=torch.int64)], dim=1)
    with torch.inference_mode():
        assert torch.allclose(network(padded), network(TOKENS), atol=1e-6)
        assert not torch.allclose(network(padded + 1), network(TOKENS), atol=1e-3)


PROBLEM = '[network]\nname = "hugging_face"\nconfig = "a/config.json"\n[data]\nname = "npz"\npath = "d.npz"\n'


@pytest.fixture
def folder(tmp_path):
    """A problem whose network is described by a/config.json, with tokens of 12 kinds."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text(json.dumps(GPT2))
    tokens = np.random.default_rng(0).integers(12, size=(40, 6))
    tokens[0] = 11
    np.savez(tmp_path / "d.npz", x=tokens, y=np.roll(tokens, -1, axis=1))
    (tmp_path / "problem.toml").write_text(PROBLEM)
    return tmp_path


def test_the_problem_holds_what_the_file_says_and_not_where_it_lies(folder):
    """Another place, another library version, other names of labels: the same problem; another width: another one."""
    first = problem_toml.read(folder)
    config = folder / "a" / "config.json"
    config.write_text(json.dumps({**GPT2, "transformers_version": "4.1", "_name_or_path": "x", "dtype": "float16"}))
    assert problem_toml.read(folder) == first
    (folder / "b").mkdir()
    config.rename(folder / "b" / "config.json")
    (folder / "problem.toml").write_text(PROBLEM.replace("a/", "b/"))
    assert problem_toml.read(folder).id == first.id
    (folder / "b" / "config.json").write_text(json.dumps({**GPT2, "n_embd": 16}))
    assert problem_toml.read(folder).id != first.id


def test_a_problem_of_such_a_network_measures(folder):
    """The splits fit, and the loss of a fresh network is near log 12."""
    problem = Problem(problem_toml.read(folder))
    batch = problem.split("test")
    with torch.inference_mode():
        losses = problem.losses(problem.network()(batch.inputs), batch.targets)
    assert losses.shape == (12, 6)
    assert float(losses.mean()) == pytest.approx(np.log(12), abs=0.1)


def test_texts_with_labels_are_data_for_a_text_classifier(tmp_path):
    """Tokens of a tokenizer.json, padded to one length, into BERT: one answer of three classes for each text."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[pad]": 0, "a": 1, "b": 2}, unk_token="[pad]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    (tmp_path / "data").mkdir()
    made.save(str(tmp_path / "data" / "tokenizer.json"))
    rows = "".join(f"{'a b ' * (i % 3 + 1)},{'xyz'[i % 3]}\n" for i in range(30))
    (tmp_path / "data" / "texts.csv").write_text(f"text,label\n{rows}")
    (tmp_path / "config.json").write_text(json.dumps(BERT))
    (tmp_path / "problem.toml").write_text('[network]\nname = "hugging_face"\n[data]\nname = "tokens"\npath = "data"\ncontext = 8\n')
    problem = Problem(problem_toml.read(tmp_path))
    batch = problem.split("train")
    with torch.inference_mode():
        losses = problem.losses(problem.network()(batch.inputs), batch.targets)
    assert (problem.classes, losses.shape) == (("x", "y", "z"), (15, 1))
    assert float(losses.mean()) == pytest.approx(np.log(3), abs=0.2)


def test_a_problem_without_its_configuration_is_refused(folder):
    """The sentence says where the mistake stands."""
    (folder / "a" / "config.json").unlink()
    with pytest.raises(Refused, match=r"problem.toml, \[network\]: There is no a/config.json"):
        problem_toml.read(folder)
    with pytest.raises(Refused, match="has not been read"):
        hugging_face.build(**registry.method("nets", "hugging_face").kwargs())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layer": 10**9}, "n_layer is larger .* at most 4,096"),
        ({"n_positions": 10**4000}, "at most 16,777,216"),
        ({"num_labels": 10**9}, "at most 1,048,576"),
        ({"n_embd": 2**40}, "at most 134,217,728"),
        ({"n_embd": 2**17, "vocab_size": 2**20}, "at most 8,589,934,592 are built"),
        ({"n_layer": 4000}, "more than 10,000 layers"),
        ({"model_type": "no-such-model"}, "does not know the model type 'no-such-model'"),
        ({"model_type": 3}, "no 'model_type'"),
        ({"architectures": ["GPT2Model"]}, "is GPT2Model, which names no head"),
        ({"architectures": None}, "is not named"),
        ({"architectures": ["GPT2ForImageClassification"]}, "no image_classification for the model type gpt2"),
        ({"architectures": ["GPT2ForSequenceClassification"]}, "needs 'pad_token_id'"),
        ({"n_head": 3}, "cannot build a gpt2"),
        ({"n_head": "many"}, "cannot build a gpt2"),
        ({"n_head": 0}, "cannot build a gpt2"),
        ({"n_layer": -1, "n_embd": [8]}, "cannot build a gpt2"),
    ],
)
def test_a_configuration_that_makes_no_network_is_refused_in_a_sentence_and_soon(changes, message):
    """Whatever its numbers claim, no memory is taken for them."""
    began = time.process_time()
    with pytest.raises(Refused, match=message):
        built({**GPT2, **changes})
    assert time.process_time() - began < 20


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "[1]", "{" + '"a":{' * 50_000, '{"n_embd": ' + "9" * 5000 + "}"])
def test_a_config_json_that_is_none_is_refused(text, tmp_path):
    """Nested without end, cut off, or of another kind."""
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(Refused):
        hugging_face.settle({"config": "config.json"}, tmp_path)


@pytest.mark.parametrize("depth", [100, 300, 500, 900, 5000])
def test_a_config_json_that_nests_deeply_is_read_or_refused(depth):
    """Nothing else comes out, whichever of parsing, cleaning and writing gives up first."""
    text = json.dumps(GPT2)[:-1] + ', "x": ' + '{"a":' * depth + "1" + "}" * depth + "}"
    with contextlib.suppress(Refused):
        assert hugging_face.settle({"config": text}, Path())["head"] == "causal_lm"


def test_a_config_json_that_is_too_large_is_not_read(tmp_path):
    """It may be any file under that name."""
    (tmp_path / "config.json").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(Refused, match="too large"):
        hugging_face.settle({"config": "config.json"}, tmp_path)


def test_code_and_kernels_that_a_configuration_asks_for_are_dropped():
    """auto_map names a file to run, an attention implementation may name a kernel to fetch; neither reaches the library, however deep."""
    asked = {"auto_map": {"AutoModelForCausalLM": "x--y.Z"}, "_attn_implementation": "org/kernel", "attn_implementation": "org/kernel"}
    plain = hugging_face.settle({"config": json.dumps(GPT2)}, Path())
    assert hugging_face.settle({"config": json.dumps({**GPT2, **asked})}, Path()) == plain
    nested = hugging_face.settle({"config": json.dumps({**GPT2, "text_config": {"n_embd": 8, **asked}})}, Path())
    assert "kernel" not in nested["config"] and "auto_map" not in nested["config"]


def test_a_plain_module_keeps_its_class_and_names():
    """Where nothing is tied, nothing is changed."""
    layer = torch.nn.Linear(2, 2)
    untie(layer)
    assert type(layer) is torch.nn.Linear and set(layer.state_dict()) == {"weight", "bias"}
