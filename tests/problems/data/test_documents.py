"""Documents that are joined in windows or filled up: what is joined stays apart, what fills up does not count, on a tiny GPT-2 and a tiny Llama."""

import json
import os
from importlib import import_module
from itertools import pairwise

import datasets
import numpy as np
import pytest
import torch
from torch.nn import functional

from explorer import api
from explorer.checkpoints import checkpoint_file
from explorer.core.errors import Refused
from explorer.evaluate.apart import apart
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.data import documents
from explorer.problems.parts import unpacked
from explorer.problems.problem import Problem
from explorer.stats import perplexity

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import
hf = import_module("transformers")
tokenizers = import_module("tokenizers")

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, about kernels that are not installed

VOCAB, CONTEXT, PAD = 23, 8, 22
CONFIGS = {
    "GPT-2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": CONTEXT, "vocab_size": VOCAB},
    "Llama": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    | {"num_attention_heads": 2, "vocab_size": VOCAB, "max_position_embeddings": CONTEXT},
}  # fmt: skip
LENGTHS = (3, 8, 5, 2, 11, 1, 6, 4, 9, 7, 3, 5, 8, 2, 6, 4)


def texts(seed=0) -> list[list[int]]:
    """Documents of several lengths, one of them without anything to predict, one longer than a window."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, VOCAB - 1, n).tolist() for n in LENGTHS]


def saved(folder, rows: list[list[int]], **columns):
    """The folder that `datasets` saves of them."""
    datasets.Dataset.from_dict({"input_ids": rows, **columns}).save_to_disk(str(folder / "documents"))
    return folder / "documents"


def problem(folder, config: str, *, network='name = "hugging_face"\nconfig = "config.json"', **options) -> Problem:
    """The documents as a problem of a network."""
    (folder / "config.json").write_text(json.dumps(CONFIGS[config]))
    given = "\n".join(f"{k} = {json.dumps(v)}" for k, v in {"context": CONTEXT, "vocab": VOCAB, **options}.items())
    (folder / "problem.toml").write_text(
        f'loss = "masked_cross_entropy"\n[network]\n{network}\n[data]\nname = "documents"\npath = "documents"\n{given}\n[split]\nval = 0\ntest = 0.5\n'
    )
    return Problem(problem_toml.read(folder))


def one_by_one(model: Problem, weights, pieces: list[tuple[list[int], list[int]]]) -> tuple[float, int]:
    """(mean loss, count) of the tokens that have a target, each piece given to the library's own model by itself: no mask, no positions."""
    network = hf.AutoModelForCausalLM.from_config(hf.AutoConfig.for_model(**json.loads(model.spec.network["config"]))).eval()
    network.load_state_dict(weights, strict=False)
    network.tie_weights()
    losses = []
    for tokens, targets in pieces:
        with torch.no_grad():
            logits = network(torch.tensor([tokens])).logits[0]
        wanted = torch.tensor(targets)
        losses += functional.cross_entropy(logits[wanted >= 0], wanted[wanted >= 0], reduction="none").tolist()
    return float(np.mean(losses)), len(losses)


def pieces_of(model: Problem) -> list[tuple[list[int], list[int]]]:
    """What each row of the test split holds, taken apart by hand: runs of rising positions."""
    batch = model.split("test")
    given = unpacked(batch.inputs, model.parts, torch.float32)
    found = []
    for i in range(len(batch.targets)):
        mask = given["attention_mask"][i] if "attention_mask" in given else torch.ones(CONTEXT, dtype=torch.bool)
        tokens, positions, targets = given["input_ids"][i][mask], given["position_ids"][i][mask], batch.targets[i][mask]
        starts = [*torch.nonzero(positions == 0)[:, 0].tolist(), len(tokens)]
        found += [(tokens[a:b].tolist(), targets[a:b].tolist()) for a, b in pairwise(starts)]
    return found


def measured(model: Problem, weights, **options) -> tuple[float, float, int]:
    """(loss, error, count) as a point of a picture is measured."""
    evaluate = Evaluate(model, [weights], split="test", prepare=False, **options)
    sums = evaluate(np.ones(1))
    return sums[0].sum() / evaluate.counts.sum(), sums[1].sum() / evaluate.counts.sum(), int(evaluate.counts.sum())


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("form", ["packed", "right", "left"])
def test_each_document_is_worth_what_it_is_by_itself(tmp_path, config, form):
    """Joined, or filled up on either side: the mean over all tokens with a target, as the library's model gives it to each document alone."""
    saved(tmp_path, texts())
    model = problem(tmp_path, config, form=form, pad=PAD)
    weights = dict(model.network(seed=1).state_dict())
    loss, count = one_by_one(model, weights, pieces_of(model))
    found, error, counted = measured(model, weights, metrics=("loss", "error", "brier", "confidence"))
    assert counted == count
    assert found == pytest.approx(loss, rel=1e-5)
    assert 0 <= error <= 1
    assert perplexity.applies(model.spec)


@pytest.mark.parametrize("form", ["right", "left"])
def test_what_fills_up_changes_nothing(tmp_path, form):
    """Another token there, or more of them: the same loss over the same tokens."""
    saved(tmp_path, texts())
    first = problem(tmp_path, "Llama", form=form, pad=PAD)
    weights = dict(first.network(seed=1).state_dict())
    loss, error, count = measured(first, weights)
    other = problem(tmp_path, "Llama", form=form, pad=3)
    assert measured(other, weights) == (pytest.approx(loss, rel=1e-6), pytest.approx(error), count)


def test_rows_are_what_the_description_says():
    """By hand, on three documents and windows of four."""
    rows = [(np.array([1, 2, 3]), np.array([2, 3, -1])), (np.array([4, 5]), np.array([5, -1])), (np.array([6, 7, 8, 9]), np.array([7, 8, 9, -1]))]
    joined = documents._rows(rows, "packed", 4, 0)
    assert joined["input_ids"].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert joined["position_ids"].tolist() == [[0, 1, 2, 0], [0, 0, 1, 2]]
    assert joined["targets"].tolist() == [[2, 3, -1, 5], [-1, 7, 8, 9]]
    left = documents._rows(rows, "left", 4, 0)
    assert left["input_ids"].tolist() == [[0, 1, 2, 3], [0, 0, 4, 5], [6, 7, 8, 9]]
    assert left["position_ids"].tolist() == [[0, 0, 1, 2], [0, 0, 0, 1], [0, 1, 2, 3]]
    assert left["attention_mask"].tolist() == [[False, True, True, True], [False, False, True, True], [True] * 4]
    assert documents._rows(rows, "right", 4, 0)["targets"].tolist() == [[2, 3, -1, -1], [5, -1, -1, -1], [7, 8, 9, -1]]


def test_a_mask_and_targets_of_the_data_are_kept(tmp_path):
    """Columns as transformers writes them: padded rows are documents again, and −100 asks for nothing."""
    path = saved(tmp_path, [[22, 22, 5, 6, 7], [1, 2, 3, 4, 22]], attention_mask=[[0, 0, 1, 1, 1], [1, 1, 1, 1, 0]], labels=[[-100, -100, -100, -100, 7], [-100, -100, 3, 4, -100]])  # fmt: skip
    data = documents.load(path, context=4, form="right", labels="labels", vocab=VOCAB)
    given = unpacked(data.inputs, data.parts, torch.float32)
    assert given["input_ids"].tolist() == [[5, 6, 7, 0], [1, 2, 3, 4]]
    assert data.targets.tolist() == [[-1, 7, -1, -1], [-1, 3, 4, -1]]


def test_texts_are_tokenised_and_an_end_is_predicted(tmp_path):
    """By the tokenizer.json in the folder; `end` stands behind each document, and nothing is predicted from it."""
    words = [f"w{i}" for i in range(5)]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate([*words, "<end>"])}, unk_token="w0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    frame = datasets.DatasetDict({s: datasets.Dataset.from_dict({"text": ["w1 w2", "w3"]}) for s in ("train", "test")})
    frame.save_to_disk(str(tmp_path / "documents"))
    tokenizer.save(str(tmp_path / "documents" / "tokenizer.json"))
    data = documents.load(tmp_path / "documents", context=5, end=5)
    assert unpacked(data.inputs, data.parts, torch.float32)["input_ids"].tolist() == [[1, 2, 5, 3, 5]] * 2
    assert data.targets.tolist() == [[2, 5, -1, 5, -1]] * 2
    assert (data.test, data.classes) == (1, (*words, "<end>"))


class Careless(torch.nn.Module):
    """Takes positions, and lets every token see all before it."""

    def forward(self, inputs):
        given = unpacked(inputs, self.parts, torch.float32)
        return functional.one_hot(given["input_ids"].cumsum(dim=1) % VOCAB, VOCAB).float()


def test_a_network_that_mixes_documents_is_refused(tmp_path):
    """It takes the positions and does not look at them."""
    saved(tmp_path, texts())
    model = problem(tmp_path, "Llama")
    batch, network = model.split("test"), Careless()
    network.parts = model.parts
    with pytest.raises(Refused, match="Careless takes positions and masks and lets tokens look across documents"):
        apart(network, batch.inputs, model.parts)
    apart(model.network(), batch.inputs, model.parts)


def test_a_network_without_positions_is_refused_or_given_the_tokens_alone(tmp_path):
    """Filled up on the right, a causal network needs neither mask nor positions: the same number as with them."""
    saved(tmp_path, texts())
    gpt = f'name = "gpt"\nvocab = {VOCAB}\ncontext = {CONTEXT}\ndim = 16\ndepth = 1\nheads = 2'
    with pytest.raises(Refused, match=r"The network gpt .* does not take inputs input_ids 8, attention_mask 8, position_ids 8"):
        problem(tmp_path, "Llama", form="right", network=gpt).split("test")
    alone = problem(tmp_path, "Llama", form="right", across=True)
    weights = dict(alone.network(seed=1).state_dict())
    assert measured(alone, weights)[0] == pytest.approx(measured(problem(tmp_path, "Llama", form="right"), weights)[0], rel=1e-5)
    assert problem(tmp_path, "Llama", form="right", across=True, network=gpt).split("test").targets.shape[1] == CONTEXT
    with pytest.raises(Refused, match="Left padding moves every token's place"):
        problem(tmp_path, "Llama", form="left", across=True).split("test")


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"label": [1, 2]}, {}, "has no column 'input_ids'. It has: label"),
        ({"input_ids": [[1, 2], [3]], "attention_mask": [[1, 1], [1, 1]]}, {}, "Document 1 has 1 tokens, and another number"),
        ({"input_ids": [[1.5], [2.0]]}, {}, "lists of whole numbers are expected"),
        ({"input_ids": [[1, 2], [3]]}, {"context": 100}, "fill no row of 100 tokens"),
        ({"input_ids": [[1, 2, 99], [3]]}, {"context": 2, "vocab": 5}, "The tokens go from 1 to 99, and the vocabulary is 0 … 4"),
        ({"text": ["a b", "c"]}, {"labels": "text"}, "Leave 'labels' out|tokenizer.json"),
    ],
)
def test_what_makes_no_documents_is_refused_in_a_sentence(tmp_path, columns, options, said):
    datasets.Dataset.from_dict(columns).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(Refused, match=said):
        documents.load(tmp_path / "d", **options)


def test_a_line_and_an_alignment_go_through(tmp_path, home):
    """Two seeds: the permutations that are found for one input are found for several, and the perplexity is told."""
    saved(tmp_path, texts())
    model = problem(tmp_path, "Llama")
    files = [tmp_path / f"{seed}.safetensors" for seed in range(2)]
    for seed, file in enumerate(files):
        checkpoint_file.write(file, dict(model.network(seed=seed).state_dict()))
    line = api.interpolate(*files, problem=tmp_path, sampler="grid", options={"size": 3}, metrics=["perplexity"])
    ends = [measured(model, checkpoint_file.read(f).weights)[0] for f in files]
    assert line.points.means()[[0, 2], 0] == pytest.approx(ends, rel=1e-6)
    matched = api.align(*files, problem=tmp_path, sampler="grid", options={"size": 3}).matched
    assert matched.movable > 0.5
    assert matched.after[0, 1] < matched.before[0, 1]
