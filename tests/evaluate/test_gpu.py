"""On a CUDA device: what runs on the CPU runs there, to the same numbers within the tolerance that explorer.evaluate.evaluator states.

Skipped where there is no such device. `pytest -n 0 -m gpu tests/evaluate/test_gpu.py` needs torch, numpy, scipy, safetensors, scikit-learn, POT, pandas, plotly,
platformdirs and pytest.
"""

import gc
import logging

import numpy as np
import pytest
import torch

from explorer import api, symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.engine import run_loop
from explorer.engine.run_loop import keep
from explorer.evaluate import compiler_cache, corner_matrix, evaluator, read_ahead
from explorer.evaluate.compiler_cache import Compilation
from explorer.evaluate.cuda_graphs import Replayed
from explorer.evaluate.devices import accelerators, device_for, memory, precisely, title
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from tests.evaluate.test_shared_first_layer import models

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")]

MANY = np.array([[1.0, 0.0], [0.7, 0.3], [0.5, 0.5], [0.0, 1.0], [0.2, 0.8]])
TOMLS = {
    "mlp": '[network]\nname = "mlp"\nwidths = [64, 48, 32, 10]\n[data]\nname = "digits"\n',
    "resnet": '[network]\nname = "resnet"\nchannels = 1\nwidths = [8, 16]\nblocks = 2\n[data]\nname = "digits"\n',
    "vgg": '[network]\nname = "vgg"\nchannels = 1\nimage = 8\n[data]\nname = "digits"\n',
    "vit": '[network]\nname = "vit"\nchannels = 1\nimage = 8\npatch = 4\n[data]\nname = "digits"\n',
}


@pytest.fixture(scope="module", params=TOMLS)
def case(request, tmp_path_factory):
    """A problem on the digits and two corners of it."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "problem.toml").write_text(TOMLS[request.param], encoding="utf-8")
    problem = Problem(problem_toml.read(folder))
    return request.param, problem, models(problem.network, count=2)[1]


@pytest.fixture
def corners(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def same(found, wanted, counts):
    """Losses to 1e-5 of the mean, errors but for one sample in a thousand whose two largest outputs are that close."""
    assert found[:, 0].sum(axis=1) == pytest.approx(wanted[:, 0].sum(axis=1), rel=1e-5)
    assert found[:, 0] == pytest.approx(wanted[:, 0], rel=1e-3, abs=1e-4 * np.abs(wanted[:, 0]).max())
    assert np.abs(found[:, 1] - wanted[:, 1]).sum(axis=1).max() <= max(1, 1e-3 * counts.sum())


@pytest.mark.parametrize("engine", ["plain", "graphs", "batched", "compiled", "auto"])
def test_every_engine_agrees_with_the_cpu(case, engine):
    """Points between, at and, where statistics are measured anew, outside the corners; the corners are the checkpoints."""
    name, problem, weights = case
    wanted = Evaluate(problem, weights)
    evaluate = Evaluate(problem, weights, device="cuda:0", engine=engine)
    if engine != "auto" and not (engine == "batched" and name in ("resnet", "vgg", "vit")):
        assert evaluate.engine == engine
    points = np.concatenate([MANY, [[1.2, -0.2]]])
    same(evaluate.many(points), wanted.many(points), wanted.counts)
    assert np.array_equal(evaluate(MANY[0]), evaluate.alone(0))


@pytest.mark.parametrize("engine", ["compiled", "auto"])
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_previews_are_close_to_what_is_measured(case, engine, precision):
    """By the engine that is found fastest, and by the compiled one, in both precisions that are there for previews."""
    _, problem, weights = case
    wanted = Evaluate(problem, weights).many(MANY)
    evaluate = Evaluate(problem, weights, device="cuda:0", engine=engine, precision=precision)
    assert engine == "auto" or evaluate.engine == engine
    found = evaluate.many(MANY)
    assert found[:, 0].sum(axis=1) == pytest.approx(wanted[:, 0].sum(axis=1), rel=0.05)
    assert not np.array_equal(found, wanted)


def test_a_network_is_compiled_for_the_device_where_it_pays(case, tmp_path, monkeypatch):
    """Tried once with a long run in view, and kept only where it is faster; the note says which."""
    monkeypatch.setenv(compiler_cache.VARIABLE, str(tmp_path / "cache"))
    _, problem, weights = case
    evaluate, told = Evaluate(problem, weights, device="cuda:0"), []
    other = evaluate.engine
    evaluate.expect(10**9, tmp_path, told.append)
    assert len(told) == 1
    (file,) = (tmp_path / compiler_cache.FOLDER).glob("*.json")
    note = Compilation.noted(file.parent, file.stem)
    assert note.point < 1e6, "compiling failed"
    assert evaluate.engine == ("compiled" if note.point < note.other else other)
    same(evaluate.many(MANY), Evaluate(problem, weights).many(MANY), evaluate.counts)


def test_recurrent_layers_are_not_shortened_to_tf32():
    """Nor are they by cuDNN, which has a setting of its own for them."""
    layer = torch.nn.LSTM(64, 128).cuda()
    x = torch.randn(20, 32, 64, device="cuda")
    with torch.no_grad():
        exact = layer.double()(x.double())[0]
        layer.float()
        with precisely("float32", torch.device("cuda:0")):
            found = layer(x)[0]
    assert float((found.double() - exact).norm() / exact.norm()) < 2e-6


@pytest.mark.parametrize("buffers", ["recalibrate", "mix", "first", "repair"])
def test_every_buffer_policy_agrees_with_the_cpu(case, buffers):
    """Whatever engine can serve it."""
    _, problem, weights = case
    wanted = Evaluate(problem, weights, buffers=buffers)
    found = Evaluate(problem, weights, buffers=buffers, device="cuda:0").many(MANY)
    values = wanted.many(MANY)
    tolerance = 1e-3 if buffers == "repair" else 1e-5  # a division by each unit's deviation
    assert found[:, 0].sum(axis=1) == pytest.approx(values[:, 0].sum(axis=1), rel=tolerance)


def test_a_confusion_matrix_agrees_with_the_cpu(case):
    """Counted on the device."""
    _, problem, weights = case
    here, there = (Evaluate(problem, weights, metrics=("confusion",), device=d).many(MANY) for d in ("cpu", "cuda:0"))
    assert np.abs(here - there).sum(axis=(1, 2)).max() <= 2


def test_a_graph_replays_what_it_captured():
    """New numbers in, new numbers out, by the kernels of the first call."""
    weight = torch.randn(5, 5, device="cuda")
    replayed = Replayed(lambda x: (weight @ x).relu(), torch.zeros(5, device="cuda"))
    assert replayed.graph is not None
    for seed in range(3):
        x = torch.randn(5, generator=torch.Generator().manual_seed(seed)).cuda()
        assert torch.equal(replayed(x), (weight @ x).relu())


def test_stored_numbers_are_not_shortened_to_tf32():
    """Convolutions and products keep 24 bits within `precisely`, whatever the process prefers; a preview may not."""
    x, w = torch.randn(64, 64, 16, 16, device="cuda"), torch.randn(64, 64, 3, 3, device="cuda")
    exact = torch.nn.functional.conv2d(x.double(), w.double())
    device = torch.device("cuda:0")
    error = {}
    for precision in ("float32", "tf32", "bfloat16"):
        with precisely(precision, device):
            error[precision] = float((torch.nn.functional.conv2d(x, w).double() - exact).norm() / exact.norm())
    assert error["float32"] < 2e-6
    assert error["float32"] < error["tf32"] / 10 < error["bfloat16"]


def test_where_memory_runs_out_the_chunk_is_halved(case, caplog):
    """With so little memory allowed that the first chunk cannot fit, the values are the same."""
    _, problem, weights = case
    wanted = Evaluate(problem, weights).many(MANY)
    evaluate = Evaluate(problem, weights, device="cuda:0", engine="plain")
    evaluate.inputs = evaluate.inputs[:1].expand(200_000, *evaluate.inputs.shape[1:])  # one sample, many times: no memory for the inputs themselves
    evaluate.targets = evaluate.targets[:1].expand(200_000)
    evaluate.block = torch.arange(200_000) % evaluate.shape[-1]
    evaluate.shortcuts, evaluate.chunk = None, 200_000
    gc.collect()
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved()  # what the limit is compared with: other tests' graphs may keep some of it
    total = memory("cuda:0").total
    torch.cuda.set_per_process_memory_fraction((held + 60 * 2**20) / total)
    try:
        with caplog.at_level(logging.WARNING):
            value = evaluate(MANY[2])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert evaluate.chunk < 200_000
    assert "Memory ran out on cuda:0" in caplog.text
    assert np.isfinite(value).all()
    same(Evaluate(problem, weights, device="cuda:0").many(MANY), wanted, Evaluate(problem, weights).counts)


def test_the_device_says_what_it_is():
    """Its name and its memory; auto takes the first."""
    assert device_for("auto") == device_for("cuda") == accelerators()[0] == "cuda:0"
    assert title("cuda:0")
    found = memory("cuda:0")
    assert 0 < found.free <= found.total


def test_a_run_on_the_device_keeps_the_values_of_the_cpu(tiny, store, home):
    """The loop asks for several points at once, and every one is there once."""
    run = tiny.run(size=65)
    assert keep(run, store, home, report=lambda *_: True, device="cuda:0")
    points, _ = store.points(run.field.id)
    assert len(np.unique(points.coords)) == len(points) == 65
    evaluate = Evaluate(tiny.problem, [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)])
    same(points.values, evaluate.many(np.stack([1 - points.coords[:, 0], points.coords[:, 0]], axis=1)), evaluate.counts)


@pytest.mark.parametrize("method", ["weight_matching", "activation_matching", "sinkhorn", "straight_through", "frank_wolfe", "learned"])
def test_alignments_on_the_device_undo_a_shuffle_as_well(tiny, corners, method):
    """A model and its own shuffled copy."""
    found = symmetry.symmetry_of(tiny.problem)
    shuffled = symmetry.permuted(corners[0], found, symmetry.random(found, torch.Generator().manual_seed(3)))
    align = registry.find("align", method)
    done = align([corners[0], shuffled], tiny.problem, **registry.wired(align, device="cuda:0"))
    assert all(torch.allclose(done.weights[1][n].cpu(), corners[0][n], atol=1e-6) for n in corners[0])


def test_maps_are_learned_on_the_device_as_on_the_cpu(tiny, corners):
    """From the same start, which is another training's model: steps are taken, and they lead as far down."""
    align = registry.find("align", "learned")
    here, there = (align(corners, tiny.problem, steps=30, restarts=1, device=d).trace[0] for d in ("cpu", "cuda:0"))
    assert there[0] == pytest.approx(here[0], rel=1e-4)
    assert there[-1] < 0.9 * there[0]
    assert there[-1] == pytest.approx(here[-1], rel=0.05)  # orders of units may change a step earlier or later


def test_optimal_transport_on_the_device_agrees_with_the_cpu(tiny, corners):
    """The same transported weights."""
    align = registry.find("align", "optimal_transport")
    here, there = (align(corners, tiny.problem, device=d).weights[1] for d in ("cpu", "cuda:0"))
    assert all(torch.allclose(there[n].cpu(), here[n], atol=1e-4) for n in here)


@pytest.mark.parametrize("method", ["fisher", "regmean", "greedy_soup", "learned_soup", "adamerging"])
def test_fusing_on_the_device_agrees_with_the_cpu(tiny, corners, method):
    """The same model, to rounding that training may enlarge."""
    fuse = registry.find("fuse", method)
    here, there = (fuse(corners, tiny.problem, **registry.wired(fuse, device=d)) for d in ("cpu", "cuda:0"))
    loss = [Evaluate(tiny.problem, [{n: t.cpu() for n, t in w.items()}])(np.ones(1))[0].sum() for w in (here, there)]
    assert loss[1] == pytest.approx(loss[0], rel=1e-2)


@pytest.mark.parametrize("method", ["bezier", "polychain"])
def test_a_path_trained_on_the_device_is_as_good(tiny, corners, method):
    """Its first epochs have the CPU's loss."""
    connect = registry.find("connect", method)
    here, there = (list(connect(corners, tiny.problem, epochs=3, device=d))[-1] for d in ("cpu", "cuda:0"))
    assert there.loss == pytest.approx(here.loss, rel=1e-3)


def test_weights_travel_while_their_digests_are_worked_out(tiny, tmp_path, monkeypatch):
    """Two ends on the disk arrive on the device by themselves, and the line is the one that the CPU measures."""
    monkeypatch.setattr(run_loop, "ON_DISK", 0)
    monkeypatch.setattr(evaluator, "LARGE", 0)
    taken = []

    def arrived(corner, device):
        taken.append(found := read_ahead.arrived(corner, device))
        return found

    monkeypatch.setattr(corner_matrix, "arrived", arrived)  # what large networks go by
    on = {"problem": tiny.problem.spec, "sampler": "grid", "options": {"size": 5}, "progress": False}
    there = api.interpolate(tiny.a, tiny.b, device="cuda", home=tmp_path / "there", **on)
    here = api.interpolate(tiny.a, tiny.b, home=tmp_path / "here", **on)
    assert there.points.means() == pytest.approx(here.points.means(), rel=1e-4)
    assert len(taken) == 2 and all(found is not None for found in taken)
