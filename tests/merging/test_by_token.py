"""Models with different vocabularies: every row is merged with the rows of the same token."""

import json

import numpy as np
import pytest
import torch

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import engine, plan
from explorer.merging.fit import Fit
from tests.merging import loaded, saved

WIDTH = 3
VOCABULARIES = {"a": ["the", "cat", "<end>"], "b": ["cat", "<end>", "dog", "<tool>"], "c": ["dog", "the", "cat", "<tool>", "fish"]}
FIRST, ALL = ["the", "cat", "<end>"], ["the", "cat", "<end>", "dog", "<tool>", "fish"]


def row(model, token):
    """A row that says which model's and which token's it is."""
    at = 100.0 * "abc".index(model) + 10 * ALL.index(token)
    return [at + i for i in range(WIDTH)]


@pytest.fixture
def models(tmp_path):
    """Three, with embeddings, a head with a bias, a matrix, and a tokenizer; b calls <tool> a special token."""
    paths = []
    for model, tokens in VOCABULARIES.items():
        rows = torch.tensor([row(model, t) for t in tokens])
        weights = {"embed_tokens.weight": rows, "lm_head.weight": rows + 0.5, "lm_head.bias": rows[:, 0].clone()}
        path = saved(tmp_path / model, weights | {"mlp.weight": torch.full((2, 2), float("abc".index(model)))})
        special = {"id": tokens.index("<tool>"), "content": "<tool>", "special": True} if model == "b" else None
        vocab = {t: i for i, t in enumerate(tokens) if special is None or t != "<tool>"}
        text = {"version": "1.0", "model": {"type": "BPE", "vocab": vocab, "merges": []}, "added_tokens": [special] if special else []}
        (path / "tokenizer.json").write_text(json.dumps(text))
        (path / "vocab.json").write_text(json.dumps(vocab))
        (path / "config.json").write_text(json.dumps({"vocab_size": len(tokens)}))
        paths.append(str(path))
    return paths


def merged(models, out, tokens="union", method="uniform_soup", **options):
    made = plan.of_method(registry.method("fuse", method, options), models, fit=Fit(tokens=tokens))
    engine.merge(made, out)
    return loaded(out), made


def expected(tokens, weights=(1 / 3,) * 3, *, based=False):
    """By hand: a model's own row, else the base's, else that of the only one, else the mean of those that have it."""
    rows = []
    for token in tokens:
        has = {m: np.array(row(m, token)) for m in "abc" if token in VOCABULARIES[m]}
        default = has["a"] if based and "a" in has else sum(has.values()) / len(has)
        rows.append(sum(w * has.get(m, default) for w, m in zip(weights, "abc", strict=True)))
    return torch.tensor(np.array(rows)).float()


def test_rows_are_merged_by_token(models, tmp_path):
    """All tokens of all models, the first's first; heads and their bias too, and all else as ever."""
    found, made = merged(models, tmp_path / "out")
    assert torch.allclose(found["embed_tokens.weight"], expected(ALL))
    assert torch.allclose(found["lm_head.weight"], expected(ALL) + 0.5)
    assert torch.allclose(found["lm_head.bias"], expected(ALL)[:, 0])
    assert found["mlp.weight"].tolist() == [[1, 1], [1, 1]]
    said = {job.name: job.said for job in made.jobs}
    assert "rows by token: 6, 1 in every model, 3 not in the first" in said["embed_tokens.weight"]
    assert "by token" not in said["mlp.weight"]


def test_the_tokenizer_numbers_the_new_tokens(models, tmp_path):
    """As they were described; the configuration has the number of rows, and what would not number them is not copied."""
    _, made = merged(models, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "tokenizer.json").read_text())
    assert written["model"]["vocab"] == {"the": 0, "cat": 1, "<end>": 2}
    assert [(t["id"], t["content"], t["special"]) for t in written["added_tokens"]] == [(3, "dog", False), (4, "<tool>", True), (5, "fish", False)]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["vocab_size"] == 6
    assert not (tmp_path / "out" / "vocab.json").exists()
    assert any("3 tokens that" in note for note in made.notes)


def test_the_first_models_tokens_alone(models, tmp_path):
    """Nothing is added, and its tokenizer is copied as it is."""
    found, _ = merged(models, tmp_path / "out", "first")
    assert torch.allclose(found["embed_tokens.weight"], expected(FIRST))
    assert json.loads((tmp_path / "out" / "tokenizer.json").read_text())["added_tokens"] == []


def test_a_recipe_that_asks_for_the_union(models, tmp_path):
    """mergekit's words for it, with a base."""
    a, b, c = models
    text = f"merge_method: task_arithmetic\nbase_model: {a}\nmodels:\n"
    text += "".join(f"- {{model: {m}, parameters: {{weight: {w}}}}}\n" for m, w in ((b, 0.5), (c, 0.25)))
    engine.merge(plan.of_recipe(f"{text}tokenizer_source: union\n"), tmp_path / "out")
    assert torch.allclose(loaded(tmp_path / "out")["embed_tokens.weight"], expected(ALL, (0.25, 0.5, 0.25), based=True), atol=1e-4)
    engine.merge(plan.of_recipe(f"{text}tokenizer: {{source: base}}\n"), tmp_path / "base")
    assert torch.allclose(loaded(tmp_path / "base")["embed_tokens.weight"], expected(FIRST, (0.25, 0.5, 0.25), based=True), atol=1e-4)


def test_methods_that_want_whole_tensors_get_them(models, tmp_path):
    """And those that go over them more than once."""
    for method in ("tsv_m", "ties", "karcher"):
        found, _ = merged(models, tmp_path / method, method=method)
        assert found["embed_tokens.weight"].shape == (6, WIDTH)


def test_rows_in_many_blocks_are_the_rows_at_once(tmp_path):
    """A vocabulary of several blocks, in another order in the other model."""
    order = np.random.default_rng(0).permutation(5000)
    rows = torch.randn(5000, 30, generator=torch.Generator().manual_seed(0))
    paths = []
    for name, numbers in (("a", np.arange(5000)), ("b", order)):
        weights = torch.empty_like(rows)
        weights[torch.from_numpy(numbers)] = rows
        path = saved(tmp_path / name, {"wte.weight": weights})
        (path / "vocab.json").write_text(json.dumps({f"t{i}": int(n) for i, n in enumerate(numbers)}))
        paths.append(str(path))
    found, _ = merged(paths, tmp_path / "out", "union", "interpolate", t=0.5)
    assert torch.equal(found["wte.weight"], rows)


def test_vocabularies_that_differ_are_refused_unless_asked(models):
    """With the way out."""
    with pytest.raises(Refused, match="token by token"):
        plan.of_method(registry.method("fuse", "uniform_soup"), models)


def test_without_a_tokenizer_there_is_nothing_to_go_by(models, tmp_path):
    """The model is named."""
    bare = saved(tmp_path / "bare", loaded(tmp_path / "a"))
    with pytest.raises(Refused, match=r"bare has no tokenizer\.json or vocab\.json"):
        merged([models[0], str(bare)], tmp_path / "out")


def ruled(models, out, tokenizer, base=""):
    """A mean of the models by a recipe with this tokenizer."""
    text = f"merge_method: linear\nmodels: {json.dumps([{'model': m, 'parameters': {'weight': 1}} for m in models])}\ntokenizer: {json.dumps(tokenizer)}\n{base}"
    made = plan.of_recipe(text)
    engine.merge(made, out)
    return loaded(out)["embed_tokens.weight"]


def test_a_rule_says_where_a_tokens_row_comes_from(models, tmp_path):
    """For models that do not know it, and with force for all: a model's row, another token's, a number's, zeros; all other rows are as without."""
    plain = ruled(models, tmp_path / "plain", {"source": "union"})
    a, _, c = models
    rules = {
        "dog": {"source": c},
        "<tool>": {"source": {"kind": "zero"}},
        "fish": {"source": {"kind": "model_token", "model": a, "token": "the"}, "force": True},
        "cat": {"source": {"kind": "model_token", "model": c, "token_id": 4}, "force": True},
    }
    found = ruled(models, tmp_path / "ruled", {"source": "union", "tokens": rules})
    by_hand = {
        "dog": (np.array(row("c", "dog")) * 2 + row("b", "dog")) / 3,  # a has none and takes c's
        "<tool>": (np.array(row("b", "<tool>")) + row("c", "<tool>")) / 3,  # a takes zeros
        "fish": np.array(row("a", "the")),
        "cat": np.array(row("c", "fish")),
    }
    for number, token in enumerate(ALL):
        wanted = by_hand.get(token, plain[number].numpy())
        assert found[number].numpy() == pytest.approx(np.asarray(wanted), rel=1e-6), token


def test_rows_are_padded_with_zeros(models, tmp_path):
    """Up to the multiple, in embeddings, head and configuration; the tokenizer keeps its tokens."""
    found = ruled(models, tmp_path / "out", {"source": "union", "pad_to_multiple_of": 8})
    assert found.shape == (8, WIDTH)
    assert not found[6:].any()
    assert torch.equal(found[:6], ruled(models, tmp_path / "plain", {"source": "union"}))
    assert json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))["vocab_size"] == 8
    assert loaded(tmp_path / "out")["lm_head.bias"].shape == (8,)


@pytest.mark.parametrize(
    ("tokenizer", "sentence"),
    [
        ({"source": "union", "tokens": {"bird": {"source": "A"}}}, "a token that the result does not have"),
        ({"source": "union", "tokens": {"cat": {"source": "elsewhere"}}}, "is not merged here"),
        ({"source": "union", "tokens": {"fish": {"source": "A"}}}, "has no row for 'fish'"),
        ({"source": "union", "tokens": {"cat": {"source": {"kind": "model_token", "model": "A"}}}}, "names no token"),
        ({"source": "union", "tokens": {"cat": {}}}, "has no source"),
        ({"source": "union", "pad_to_multiple_of": -1}, "a whole number up to"),
        ({"tokens": {"cat": {"source": "A"}}}, "needs tokenizer: {source: union}"),
    ],
)
def test_a_rule_that_names_nothing_is_refused(models, tmp_path, tokenizer, sentence):
    """With what is missing."""
    given = json.loads(json.dumps(tokenizer).replace('"A"', json.dumps(models[0])))
    with pytest.raises(Refused, match=sentence):
        ruled(models, tmp_path / "out", given)
