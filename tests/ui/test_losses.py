"""Compare, Soup and a clicked model under every loss: each shows what is right for it, or a sentence."""

import json

import numpy as np
import pytest
import torch

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.spec import Field, Fused, Look, Run
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.ui.compare.form import Entry
from explorer.ui.soup.measurements import Kitchen
from tests.ui.conftest import words

MLP = '[network]\nname = "mlp"\nwidths = [{widths}]\n[data]\nname = "{data}"\n'
NUMBERS = MLP.format(widths="3, 8, 2", data="npz") + 'path = "data.npz"\n'
INPUTS = NUMBERS.replace("data.npz", "inputs.npz")
MASKED = '[network]\nname = "gpt"\nvocab = 6\ncontext = 8\ndim = 8\ndepth = 1\nheads = 2\n[data]\nname = "masked"\npath = "text"\ncontext = 8\n'
PROBLEMS = {"divergence": INPUTS, "mse": NUMBERS, "squared_distance": NUMBERS, "masked_cross_entropy": MASKED}


@pytest.fixture
def case(request, tmp_path, store, work):
    """A problem under the loss that the test is for, and three models close to one another, registered."""
    (tmp_path / "problem.toml").write_text(f'loss = "{request.param}"\n{PROBLEMS[request.param]}', encoding="utf-8")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "inputs.npz", x=rng.normal(size=(60, 3)).astype(np.float32))
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(60, 3)).astype(np.float32), y=rng.normal(size=(60, 2)).astype(np.float32))
    vocab = {token: i for i, token in enumerate(("[UNK]", "[MASK]", "a", "b", "c", "d"))}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
    }
    tokenizer |= {"post_processor": None, "decoder": None, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}}
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "tokenizer.json").write_text(json.dumps(tokenizer))
    (tmp_path / "text" / "text.txt").write_text(" ".join(rng.choice(list("abcd"), 480)))
    problem = Problem(problem_toml.read(tmp_path))
    generator = torch.Generator().manual_seed(0)
    base = {n: 0.3 * torch.randn(t, generator=generator) for n, t in problem.shapes().items()}
    for i in range(3):
        checkpoint_file.write(tmp_path / f"m{i}.safetensors", {n: w + 0.1 * torch.randn(w.shape, generator=generator) for n, w in base.items()})
    store.submit(Look(str(tmp_path)))
    work()
    return problem.spec, tuple(loaded(tmp_path / f"m{i}.safetensors") for i in range(3))


def compared(problem, models, store):
    """The requests of a comparison with the mean of all, put down; its address."""
    entries = [Entry(m, problem) for m in (*models, Fused(problem, models, registry.method("fuse", "uniform_soup")))]
    for entry in entries:
        for split in ("val", "test"):
            store.submit(entry.on(split))
    return ",".join(e.run.id for e in entries)


def cooked(problem, models, store):
    """The requests of a soup, put down; its address."""
    tasks = Kitchen(problem, models).tasks()
    for task in tasks:
        store.submit(task.run)
    return tasks[0].run.id


def failed(store):
    return [s.error for kind in ("Run", "Study") for s in store.statuses(kind) if s.state == "failed"]


@pytest.mark.parametrize("case", ["divergence", "squared_distance"], indirect=True)
def test_nothing_is_chosen_by_a_loss_that_knows_of_no_better(case, visit, store):
    """Each model would be its own reference, and all of them equal."""
    for page, asked in (("compare", compared), ("soup", cooked)):
        app = visit(page, runs=asked(*case, store))
        assert not app.exception and not app.dataframe
        assert [e.value.startswith("Nothing can be selected by") for e in app.error] == [True]


@pytest.mark.parametrize("case", ["masked_cross_entropy"], indirect=True)
def test_masked_tokens_are_compared_and_cooked_without_questions_about_classes(case, visit, store, work):
    """The tables stand; no study is asked for that would be refused, and a sentence says what is not shown."""
    for page, asked, column in (("compare", compared, "test loss (nat), 95 %"), ("soup", cooked, "val loss")):
        address = asked(*case, store)
        work()
        visit(page, runs=address)
        work()
        app = visit(page, runs=address)
        assert not app.exception and not app.error and not failed(store)
        assert any(column in table.value.columns for table in app.dataframe)
        assert ("the loss here is masked_cross_entropy" in words(app)) == (page == "compare")


@pytest.mark.parametrize("case", ["divergence", "mse", "masked_cross_entropy"], indirect=True)
def test_a_clicked_model_says_why_no_classes_are_shown(case, visit, store, work):
    """Its loss and its distances stand there; nothing is asked for that would be refused."""
    problem, models = case
    run = Run(Field(problem, models, registry.method("chart", "plane")), registry.method("sample", "grid", {"size": 3}))
    store.submit(run)
    work()
    visit("landscape", runs=run.id, at="0.5,0.5", of="0")
    work()
    app = visit("landscape", runs=run.id, at="0.5,0.5", of="0")
    assert not app.exception and not app.error and not failed(store)
    assert f"the loss here is {problem.loss}" in words(app)
    assert "95 % interval" in words(app) and "Distance to m0" in words(app)
