"""Transformers as they are held in a notebook: dicts with masks, the model's own loss, texts of different lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from explorer.api import align, interpolate, live_problem
from explorer.problems.problem import Problem

transformers = pytest.importorskip("transformers")

GRID = {"sampler": "grid", "options": {"size": 3}}
WORDS, LENGTH, N = 50, 10, 90
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": WORDS, "num_labels": 3}


@pytest.fixture(scope="module")
def texts() -> dict[str, torch.Tensor]:
    """Tokens, masks of lengths from 4 to 10, and a class each."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(4, LENGTH + 1, (N, 1), generator=generator)
    return {
        "input_ids": torch.randint(1, WORDS, (N, LENGTH), generator=generator),
        "attention_mask": (torch.arange(LENGTH)[None] < lengths).long(),
        "labels": torch.randint(0, 3, (N,), generator=generator),
    }


def two(kind: type[nn.Module], config: object) -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(config), kind(config)


def own_loss(model: nn.Module, batch: dict[str, torch.Tensor], rows: torch.Tensor) -> float:
    """The loss that the model itself gives for these rows together."""
    with torch.no_grad():
        return float(model.eval()(**{name: t[rows] for name, t in batch.items()}).loss)


def test_a_classifier_with_masks_is_measured_by_its_own_loss(texts, home):
    """Which is recognised as cross-entropy, so that errors are counted too; given as a dict, in batches, or as texts of different lengths."""
    a, b = two(transformers.BertForSequenceClassification, transformers.BertConfig(**SMALL))
    line = interpolate(a, b, data=texts, home=home, **GRID)
    rows = Problem(line.run.field.problem).split("test").inputs[:, 0]
    assert line.run.field.problem.loss == "cross_entropy"
    assert line.points.means()[0, 0] == pytest.approx(own_loss(a, texts, rows), rel=1e-5)
    assert line.points.means()[2, 0] == pytest.approx(own_loss(b, texts, rows), rel=1e-5)
    batches = [{name: t[i : i + 16] for name, t in texts.items()} for i in range(0, N, 16)]
    assert np.array_equal(interpolate(a, b, data=batches, home=home, **GRID).points.values, line.points.values)
    cut = [{name: t[i][: int(texts["attention_mask"][i].sum())] if t.dim() > 1 else t[i] for name, t in texts.items()} for i in range(N)]
    loose = interpolate(a, b, data=DataLoader(cut, batch_size=8, collate_fn=padded), home=home, **GRID)
    assert loose.points.means() == pytest.approx(line.points.means(), rel=1e-5)


def padded(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    longest = max(len(s["input_ids"]) for s in samples)
    tokens = {n: torch.stack([functional.pad(s[n], (0, longest - len(s[n]))) for s in samples]) for n in ("input_ids", "attention_mask")}
    return {**tokens, "labels": torch.stack([s["labels"] for s in samples])}


def test_a_language_model_counts_the_tokens_that_are_asked_for(texts, home):
    """Texts of different lengths weigh by their tokens, as the loss of all of them together does; tied weights are one."""
    config = transformers.GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=WORDS, n_positions=16, bos_token_id=0, eos_token_id=0)
    a, b = two(transformers.GPT2LMHeadModel, config)
    batch = {**texts, "labels": torch.where(texts["attention_mask"].bool(), texts["input_ids"], -100)}
    line = interpolate(a, b, data=batch, home=home, **GRID)
    rows = Problem(line.run.field.problem).split("test").inputs[:, 0]
    assert line.points.means()[0, 0] == pytest.approx(own_loss(a, batch, rows), rel=1e-5)
    assert line.points.counts.sum() == (batch["labels"][rows][:, 1:] >= 0).sum()
    logits = a(input_ids=batch["input_ids"][rows], attention_mask=batch["attention_mask"][rows]).logits[:, :-1]
    asked = batch["labels"][rows][:, 1:]
    wrong = (logits.argmax(-1) != asked)[asked >= 0].float().mean()
    assert line.points.means()[0, 1] == pytest.approx(wrong.item(), rel=1e-6)
    assert "lm_head.weight" not in Problem(line.run.field.problem).shapes()


def test_a_masked_and_a_translating_model_are_measured(texts, home):
    """Their own losses again, with the targets told to the one that continues them."""
    generator = torch.Generator().manual_seed(1)
    masked = {**texts, "labels": torch.where(torch.rand(N, LENGTH, generator=generator) < 0.3, texts["input_ids"], -100)}
    bert = two(transformers.BertForMaskedLM, transformers.BertConfig(**SMALL))
    t5 = two(
        transformers.T5ForConditionalGeneration,
        transformers.T5Config(d_model=16, d_ff=32, num_layers=1, num_heads=2, d_kv=8, vocab_size=WORDS, decoder_start_token_id=0),
    )
    for (a, b), batch in ((bert, masked), (t5, {**texts, "labels": texts["input_ids"]})):
        line = interpolate(a, b, data=batch, home=home, **GRID)
        rows = Problem(line.run.field.problem).split("test").inputs[:, 0]
        assert line.points.means()[0, 0] == pytest.approx(own_loss(a, batch, rows), rel=1e-5)


def test_units_of_a_transformer_are_matched(texts, home):
    """The rows behind the inputs do not stand in the way of the symmetry: a copy with its hidden units shuffled is restored."""
    a, b = two(transformers.BertForSequenceClassification, transformers.BertConfig(**SMALL))
    b.load_state_dict(a.state_dict())
    order = torch.randperm(32, generator=torch.Generator().manual_seed(2))
    inner, outer = b.bert.encoder.layer[0].intermediate.dense, b.bert.encoder.layer[0].output.dense
    with torch.no_grad():
        inner.weight.copy_(inner.weight[order])
        inner.bias.copy_(inner.bias[order])
        outer.weight.copy_(outer.weight[:, order])
    cut = [{name: t[i] for name, t in texts.items()} for i in range(N)]
    loose = DataLoader(
        [{**one, "input_ids": one["input_ids"][: 4 + i % 6], "attention_mask": one["attention_mask"][: 4 + i % 6]} for i, one in enumerate(cut)],
        collate_fn=padded,
    )
    for data in (texts, loose):
        found = align(a, b, data=data, home=home, **GRID).matched
        assert found.before[0, 1] > 0.1 and found.after[0, 1] == pytest.approx(0, abs=1e-5)


def test_another_loss_of_the_model_s_own_is_asked_about_each_text(texts, home):
    """One that is no plain cross-entropy: its mean over texts."""

    class Smooth(transformers.BertForSequenceClassification):
        def forward(self, input_ids, attention_mask=None, labels=None):
            found = super().forward(input_ids, attention_mask=attention_mask)
            if labels is not None:
                found.loss = functional.cross_entropy(found.logits, labels, label_smoothing=0.3)
            return found

    a, b = two(Smooth, transformers.BertConfig(**SMALL))
    line = interpolate(a, b, data=texts, home=home, **GRID)
    rows = Problem(line.run.field.problem).split("test").inputs[:, 0]
    assert line.run.field.problem.loss == "live_items"
    assert line.points.means()[0, 0] == pytest.approx(own_loss(a, texts, rows), rel=1e-5)
    assert live_problem(a, texts).id == line.run.field.problem.id
