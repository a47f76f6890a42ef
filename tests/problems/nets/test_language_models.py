"""Language models of transformers, made offline from their configurations, through everything: barrier, alignment, plane, soup, merge."""

from __future__ import annotations

import json
import os
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from explorer import api, symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.spec import Fused, Loaded, Look
from explorer.engine.inspect_checkpoints import inspect_path
from explorer.engine.realise_recipe import realise
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats import perplexity
from explorer.store.run_store import RunStore

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import
hf = import_module("transformers")
tokenizers = import_module("tokenizers")

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, about kernels that are not installed

WORDS = [f"w{i}" for i in range(12)]
CONTEXT = 12
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 16,
    "max_position_embeddings": CONTEXT,
}
CONFIGS = {
    "GPT-2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": CONTEXT}
    | {"vocab_size": 16, "bos_token_id": 1, "eos_token_id": 2, "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0},
    "Llama": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **SMALL, "tie_word_embeddings": True},
    "BERT": {"model_type": "bert", "architectures": ["BertForMaskedLM"], **SMALL, "hidden_dropout_prob": 0.0},
    "BERT classifier": {"model_type": "bert", "architectures": ["BertForSequenceClassification"], **SMALL, "id2label": {"0": "a", "1": "b"}},
}


def spoken(sentences, rng):
    """A language in which the next word is one of two: no model has a perplexity below 2 on it, and a uniform guess has 16."""
    lines = []
    for _ in range(sentences):
        word = int(rng.integers(len(WORDS)))
        line = []
        for _ in range(20):
            line.append(WORDS[word])
            word = (5 * word + 1 + int(rng.integers(2))) % len(WORDS)
        lines.append(" ".join(line))
    return lines


def folder_of(path, name):
    """A folder with a tokenizer, a text or labelled texts, and a problem.toml for the network of a configuration."""
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"[pad]": 0, "[MASK]": 1, **{w: i + 2 for i, w in enumerate(WORDS)}}, unk_token="[pad]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    (path / "data").mkdir()
    tokenizer.save(str(path / "data" / "tokenizer.json"))
    lines = spoken(200, np.random.default_rng(0))
    if name == "BERT classifier":
        (path / "data" / "texts.csv").write_text("text,label\n" + "".join(f"{t},{'b' if int(t.split()[0][1:]) < 6 else 'a'}\n" for t in lines))
    else:
        (path / "data" / "text.txt").write_text("\n".join(lines))
    (path / "config.json").write_text(json.dumps(CONFIGS[name] | ({"pad_token_id": 0} if name.startswith("BERT") else {})))
    masked, classes = name == "BERT", name == "BERT classifier"
    (path / "problem.toml").write_text(
        f'loss = "{"masked_cross_entropy" if masked else "cross_entropy"}"\n[network]\nname = "hugging_face"\n'
        f'[data]\nname = "{"masked" if masked else "tokens"}"\npath = "data"\ncontext = {CONTEXT}\n{"" if classes else "vocab = 16"}\n'
    )
    return path


def trained(problem, seed, *, start=None, steps=150):
    """A network after some steps of Adam on the train split."""
    network = problem.network(seed=seed)
    if start is not None:
        network.load_state_dict(start)
    batch = problem.split("train")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(batch.inputs), (32,), generator=generator)
        loss = problem.losses(network(batch.inputs[rows]), batch.targets[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {k: v.detach().clone() for k, v in network.state_dict().items()}


@pytest.fixture(scope="module", params=["GPT-2", "Llama"])
def family(request, tmp_path_factory):
    """Two seeds, and two fine-tunes of the first: folders as transformers saves them would do as well."""
    path = folder_of(tmp_path_factory.mktemp("language"), request.param)
    problem = Problem(problem_toml.read(path))
    first = trained(problem, 0)
    models = {"first": first, "second": trained(problem, 1)} | {f"tune-{i}": trained(problem, i, start=first, steps=20) for i in (2, 3)}
    for name, weights in models.items():
        checkpoint_file.write(path / f"{name}.safetensors", weights, {"format": "pt"})
    files = {name: path / f"{name}.safetensors" for name in models}
    return SimpleNamespace(path=path, problem=problem, files=files, weights=models, home=tmp_path_factory.mktemp("home"))


def mean(family, models, coefficients, split="test"):
    """Mean loss of a mixture."""
    evaluate = Evaluate(family.problem, models, split=split)
    return float(evaluate(np.array(coefficients))[0].sum() / evaluate.counts.sum())


def test_the_barrier_between_two_seeds_is_there_and_told_as_perplexity(family):
    """Both learned the language (2 is the best there is, 16 a guess); half-way between them is neither of them."""
    line = api.interpolate(family.files["first"], family.files["second"], home=family.home)
    found = line.barrier("loss")
    ends = [perplexity.from_loss(e) for e in found.ends]
    assert perplexity.applies(line.run.field.problem) and all(1.9 < e < 3 for e in ends), ends
    assert found.height.low > 0.1
    assert line.points.counts.sum() == family.problem.split("test").targets.numel(), "every token is an item"


def test_an_alignment_keeps_the_function_and_undoes_a_shuffle(family):
    """weight_matching finds the order of heads' and neurons' units; the barrier to a shuffled copy vanishes, that to another seed does not grow."""
    found = symmetry.symmetry_of(family.problem)
    assert found.groups
    shuffled = symmetry.permuted(family.weights["first"], found, symmetry.random(found, torch.Generator().manual_seed(3)))
    assert any(not torch.equal(shuffled[k], family.weights["first"][k]) for k in shuffled)
    copy = family.path / "shuffled.safetensors"
    if not copy.exists():
        checkpoint_file.write(copy, shuffled, {"format": "pt"})
    done = api.align(family.files["first"], copy, family.files["second"], home=family.home)
    same, other = done.pairs
    assert same.before.barrier("loss").height.value > 0.01 > abs(same.after.barrier("loss").height.value)
    assert other.after.barrier("loss").ends == pytest.approx(other.before.barrier("loss").ends, rel=1e-4)
    assert done.matched.after[0, 2] < done.matched.before[0, 2]


def test_the_plane_through_three_models_has_them_at_its_corners(family):
    """The value at a corner's place is the model's own loss; between two seeds it is higher."""
    plane = api.landscape(*(family.files[n] for n in ("first", "second", "tune-2")), size=5, home=family.home)
    known = RunStore(family.home / "store.sqlite").field(plane.run.field.id)
    models = [family.weights[n] for n in ("first", "second", "tune-2")]
    for i, alone in enumerate(known.facts["alone"]):
        assert alone[0] == pytest.approx(mean(family, models, np.eye(3)[i]), rel=1e-6)
    losses = plane.table()["loss"]
    assert len(losses) == 25 and losses.max() > max(a[0] for a in known.facts["alone"]) + 0.1


def test_a_greedy_soup_is_no_worse_than_its_best_ingredient_on_val_and_leaves_the_stranger_out(family):
    """Two fine-tunes of one parent mix; a model of another seed in the pot would spoil it."""
    names = ("first", "tune-2", "tune-3", "second")
    models = [family.weights[n] for n in names]
    soup = registry.find("fuse", "greedy_soup")(models, family.problem, metric="loss")
    best = min(mean(family, [m], [1.0], "val") for m in models)
    assert mean(family, [soup], [1.0], "val") <= best + 1e-6
    assert mean(family, models, [0.25] * 4, "val") > best + 0.05, "the uniform soup of all four is spoilt"


def test_a_merged_model_is_what_transformers_loads_and_computes(family, tmp_path):
    """The average is the middle of the line; task arithmetic with the base alone is the base; the file answers in the library as here."""
    base, a, b = (Loaded(api.loaded(family.files[n]).digest, path=str(family.files[n]), name=n) for n in ("first", "tune-2", "tune-3"))
    store = RunStore(family.home / "store.sqlite")
    average = realise(Fused(family.problem.spec, (a, b), registry.method("fuse", "average")), store, family.home)
    pair = [family.weights["tune-2"], family.weights["tune-3"]]
    assert mean(family, [average], [1.0]) == pytest.approx(mean(family, pair, [0.5, 0.5]), rel=1e-5)
    nothing = registry.method("fuse", "task_arithmetic", {"coefficients": (0.0, 0.0)})
    kept = realise(Fused(family.problem.spec, (base, a, b), nothing), store, family.home)
    assert all(torch.allclose(kept[k], family.weights["first"][k], atol=1e-7) for k in kept)
    checkpoint_file.write(tmp_path / "model.safetensors", average, {"format": "pt"})
    (tmp_path / "config.json").write_text((family.path / "config.json").read_text())
    theirs = hf.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ours = family.problem.network()
    ours.load_state_dict(average)
    tokens = family.problem.split("test").inputs[:4]
    with torch.no_grad():
        assert torch.allclose(ours(tokens), theirs(tokens).logits, atol=1e-5)


@pytest.mark.parametrize("name", ["BERT", "BERT classifier"])
def test_masked_models_and_text_classifiers_are_looked_at_and_joined(name, tmp_path, store, home):
    """A folder with a tokenizer is enough: the models learn something, and the line between them has a barrier with its interval."""
    path = folder_of(tmp_path, name)
    problem = Problem(problem_toml.read(path))
    for seed in range(2):
        checkpoint_file.write(path / f"seed-{seed}.safetensors", trained(problem, seed, steps=80), {"format": "pt"})
    seen = inspect_path(Look(str(path)), store, report=lambda *_: True)
    assert len(seen.group) == 2, seen
    quality = seen.files[0].on("test")
    fresh = float(problem.losses(problem.network()(problem.split("test").inputs), problem.split("test").targets).mean())
    assert quality.loss[0] < fresh - (0.3 if name == "BERT" else 0.05)
    found = api.interpolate(path / "seed-0.safetensors", path / "seed-1.safetensors").barrier("loss")
    assert found.height.low <= found.height.value <= found.height.high
    assert perplexity.applies(problem.spec) == (name == "BERT")


def test_masked_data_ask_for_the_same_tokens_of_every_window(tmp_path):
    """round(0.25 · 12) = 3 of each; masked there, told there, and the same ones every time."""
    problem = Problem(problem_toml.read(folder_of(tmp_path, "BERT")))
    load = registry.find("data", "masked")
    one, two = (load(tmp_path / "data", context=CONTEXT, share=0.25, seed=1) for _ in range(2))
    asked = one.targets >= 0
    assert asked.sum(dim=1).unique().tolist() == [3] and one.sort == "masked"
    assert (one.inputs[asked] == 1).all() and not (one.inputs[~asked] == 1).any() and (one.targets[~asked] == -1).all()
    assert torch.equal(one.inputs, two.inputs)
    batch = problem.split("test")
    outputs = torch.zeros(*batch.inputs.shape, 16)
    assert problem.losses(outputs, batch.targets).flatten().tolist() == pytest.approx([np.log(16)] * (2 * len(batch.inputs)))
    assert problem.wrong(outputs, batch.targets).all(), "the largest logit of equal ones is the first, and no word is [pad]"
