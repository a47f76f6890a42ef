"""The compiled network: held to the plain loop, left alone where it cannot be had or does not pay."""

import logging
import os

import numpy as np
import pytest
import torch
from torch import nn

from explorer.checkpoints import checkpoint_file
from explorer.engine.execute import local
from explorer.engine.run_loop import keep
from explorer.evaluate import compiler_cache
from explorer.evaluate.compiled_network import even
from explorer.evaluate.compiler_cache import Compilation, pays
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from tests.evaluate.test_engines import IMAGES
from tests.evaluate.test_shared_first_layer import models

MANY = np.array([[1.0, 0.0], [0.7, 0.3], [0.5, 0.5], [0.0, 1.0]])
SOME = 100  # samples: three chunks that do not come out even


def drawn(problem):
    """Two networks of a problem."""
    seeds = iter(range(2))
    return models(lambda: problem.network(seed=next(seeds)), count=2)[1]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A network with batch norm on the digits, and two corners."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "problem.toml").write_text(IMAGES, encoding="utf-8")
    problem = Problem(problem_toml.read(folder))
    return problem, drawn(problem)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A language model on drawn tokens, and two corners."""
    folder = tmp_path_factory.mktemp("texts")
    tokens = np.random.default_rng(0).integers(0, 11, (200, 6))
    np.savez(folder / "data.npz", x=tokens, y=np.roll(tokens, -1, axis=1))
    text = '[network]\nname = "gpt"\nvocab = 11\ncontext = 6\ndim = 8\ndepth = 1\nheads = 2\n[data]\nname = "npz"\npath = "data.npz"\n[split]\ntest = 0.5\n'
    (folder / "problem.toml").write_text(text, encoding="utf-8")
    problem = Problem(problem_toml.read(folder))
    return problem, [{k: 20 * v for k, v in w.items()} for w in drawn(problem)]


@pytest.fixture
def corners(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def same(problem, weights, **how):
    """The compiled engine's values equal the plain one's, at the corners bit for bit."""
    plain = Evaluate(problem, weights, engine="plain", samples=SOME, **how)
    fast = Evaluate(problem, weights, engine="compiled", samples=SOME, **how)
    assert fast.engine == "compiled"
    fast.chunk = 40
    found, wanted = fast.many(MANY), plain.many(MANY)
    assert found[:, 0].sum(axis=1) == pytest.approx(wanted[:, 0].sum(axis=1), rel=1e-5)
    assert found[:, 0] == pytest.approx(wanted[:, 0], rel=1e-3, abs=1e-4 * wanted[:, 0].max())
    assert np.array_equal(found[:, 1:].round(3), wanted[:, 1:].round(3))
    assert np.array_equal(found[0], fast.alone(0))
    assert np.array_equal(found[3], fast.alone(1))
    assert len(np.unique(wanted[:, 0].sum(axis=1).round(2))) == len(MANY), "points that a wrong mixture would not give"


@pytest.mark.slow
@pytest.mark.parametrize("buffers", ["recalibrate", "first", "mix"])
def test_batch_norm_compiled(images, buffers):
    """Statistics measured by the compiled network in train mode, kept, or mixed."""
    same(*images, buffers=buffers)


@pytest.mark.slow
def test_a_network_of_products_compiled_and_metrics_that_no_compiler_looks_into(tiny, corners):
    """The loss within the compiled code, others behind it."""
    same(tiny.problem, corners)
    same(tiny.problem, corners, metrics=("loss", "brier"))


@pytest.mark.slow
@pytest.mark.release
def test_a_language_model_compiled(texts):
    """Whose tied weight is read in two places, and whose inputs are whole numbers."""
    same(*texts)


@pytest.mark.slow
@pytest.mark.release
def test_a_preview_computes_in_half_precision_from_end_to_end(images):
    """Near the exact values, with statistics and sums in float32; the corners are previews as all others measure them."""
    exact = Evaluate(*images, samples=SOME).many(MANY)
    plain = Evaluate(*images, samples=SOME, precision="bfloat16").many(MANY)
    fast = Evaluate(*images, samples=SOME, precision="bfloat16", engine="compiled")
    found = fast.many(MANY)
    assert fast.engine == "compiled"
    assert fast.compiled.inputs.dtype == torch.bfloat16
    assert {t.dtype for t in fast.compiled.own} == {torch.float32}
    assert found[:, 0].sum(axis=1) == pytest.approx(exact[:, 0].sum(axis=1), rel=0.02)
    assert not np.array_equal(found[1:3], exact[1:3])
    assert np.array_equal(found[[0, 3]], plain[[0, 3]])


class Looking(nn.Module):
    """Its way depends on what it computes."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        y = self.layer(x.flatten(1))
        return y if y.sum() > 0 else -y


def test_what_cannot_be_compiled_goes_the_plain_way_and_the_log_says_why(tiny, monkeypatch, caplog):
    """To the same values."""
    _, weights = models(Looking, count=2)
    for made in ("network", "blank"):
        monkeypatch.setattr(Problem, made, lambda self, *_, **__: Looking().eval())
    monkeypatch.setattr("explorer.evaluate.evaluator.steady", lambda network, inputs: network(inputs[:4]))
    with caplog.at_level(logging.INFO):
        evaluate = Evaluate(tiny.problem, weights, engine="compiled")
    assert evaluate.engine == "plain"
    assert "The network is not compiled: " in caplog.text
    assert "data-dependent" in caplog.text.lower()
    assert np.array_equal(evaluate.many(MANY), Evaluate(tiny.problem, weights, engine="plain").many(MANY))


def test_a_machine_without_a_compiler_goes_the_plain_way(tiny, corners, monkeypatch, caplog, tmp_path):
    """And says which one it looked for."""
    from torch._inductor import config

    monkeypatch.setenv(compiler_cache.VARIABLE, str(tmp_path))
    with config.patch({"cpp.cxx": ("no-such-compiler",)}), caplog.at_level(logging.INFO):
        evaluate = Evaluate(tiny.problem, corners, engine="compiled", samples=77)
    assert evaluate.engine == "plain"
    assert "no-such-compiler" in caplog.text or "No working C++ compiler" in caplog.text


@pytest.mark.slow
def test_it_is_compiled_where_it_pays_and_never_kept_where_it_is_slower(tiny, corners, monkeypatch, tmp_path):
    """What was slower once is not tried again; the note of it outlives the process."""
    monkeypatch.setenv(compiler_cache.VARIABLE, os.environ.get(compiler_cache.VARIABLE, str(tmp_path / "cache")))

    def tried(pace, points):
        evaluate, told = Evaluate(tiny.problem, corners, engine="graphs"), []
        evaluate.pace = pace
        evaluate.expect(points, tmp_path, told.append)
        return evaluate.engine, len(told)

    assert tried(pace=1e-7, points=1000) == ("graphs", 0)
    assert tried(pace=1e-7, points=10**10) == ("graphs", 1)
    assert tried(pace=1e-7, points=10**12) == ("graphs", 0)
    for note in (tmp_path / compiler_cache.FOLDER).glob("*.json"):
        note.unlink()
    assert tried(pace=1e3, points=1000) == ("compiled", 1)
    assert tried(pace=1e3, points=1000) == ("compiled", 1)
    assert tried(pace=1e-4, points=1) == ("graphs", 0)


def test_what_compiling_pays_for():
    """At first what most networks gain on several such runs, then what this one was seen to gain."""
    assert not pays(51, 0.04, "float32", None)
    assert pays(51 * 51, 0.04, "float32", None)
    assert pays(51 * 51, 0.03, "bfloat16", None)
    assert not pays(5000, 1e-4, "float32", None)
    quick, slower = Compilation(60.0, 5.0, 0.01, 0.03), Compilation(60.0, 5.0, 0.04, 0.03)
    assert pays(300, 0.03, "bfloat16", quick)
    assert not pays(200, 0.03, "bfloat16", quick)
    assert not pays(10**9, 0.03, "bfloat16", slower)


def test_the_compilers_cache_is_the_products_own_and_bounded(tmp_path, monkeypatch):
    """Unless somebody has named another; a note that cannot be read is none."""
    monkeypatch.delenv(compiler_cache.VARIABLE, raising=False)
    folder = compiler_cache.kept_in(tmp_path)
    assert os.environ[compiler_cache.VARIABLE] == str(folder / "torch")
    Compilation(1.0, 2.0, 3.0, 4.0).note(folder, "key")
    assert Compilation.noted(folder, "key") == Compilation(1.0, 2.0, 3.0, 4.0)
    (folder / "key.json").write_text("{", encoding="utf-8")
    assert Compilation.noted(folder, "key") is None
    monkeypatch.setattr(compiler_cache, "BOUND", 0)
    monkeypatch.setenv(compiler_cache.VARIABLE, "elsewhere")
    assert not compiler_cache.kept_in(tmp_path).exists()
    assert os.environ[compiler_cache.VARIABLE] == "elsewhere"


@pytest.mark.parametrize(("samples", "chunk"), [(10, 3), (10, 10), (10, 4), (7, 100), (1, 1), (10_000, 4096)])
def test_chunks_of_one_size_hold_every_sample(samples, chunk):
    """And none is larger than what fits."""
    rows = even(samples, chunk)
    assert len({r.stop - r.start for r in rows}) == 1
    assert rows[0].stop - rows[0].start <= chunk
    assert set().union(*(range(samples)[r] for r in rows)) == set(range(samples))
    assert rows[-1].stop == samples


@pytest.mark.slow
def test_a_run_says_that_it_compiles(tiny, store, home, monkeypatch):
    """In the run's own message, before the first point; its points are those of any run."""
    monkeypatch.setenv(compiler_cache.VARIABLE, os.environ.get(compiler_cache.VARIABLE, str(home / "cache")))

    def execute(field, corners):
        made = local.on("cpu")(field, corners)
        made.evaluate = Evaluate(tiny.problem, corners, engine="graphs")
        made.evaluate.pace = 1e3
        engines.append(made.evaluate)
        return made

    engines, told = [], []
    run = tiny.run(size=9)
    assert keep(run, store, home, report=lambda done, total, fresh, message: told.append((fresh, message)) or True, execute=execute)
    assert engines[-1].engine == "compiled"
    assert any(message.startswith("Compiling the network") and fresh == 0 for fresh, message in told)
    points, _ = store.points(run.field.id)
    exact = Evaluate(tiny.problem, corners=[checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)])
    wanted = exact.many(np.stack([1 - points.coords[:, 0], points.coords[:, 0]], axis=1))
    assert points.values[:, 0].sum(axis=1) == pytest.approx(wanted[:, 0].sum(axis=1), rel=1e-5)
