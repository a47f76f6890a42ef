"""The ways points go through a device: each held to the plain loop. On a CPU the same code runs with graphs off; tests/evaluate/test_gpu.py has the rest."""

import numpy as np
import pytest
import torch
from torch import nn

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import mix
from explorer.core.errors import Refused
from explorer.evaluate import evaluator
from explorer.evaluate.corner_matrix import CornerMatrix
from explorer.evaluate.devices import accelerators, device_for, memory, precisely
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.shared_first_layer import Shortcuts
from explorer.evaluate.stacked_engine import Batched, of_products
from explorer.problems import problem_toml
from explorer.problems.nets import gpt, mlp, resnet, vit
from explorer.problems.problem import Problem
from tests.evaluate.test_shared_first_layer import models

IMAGES = """
[network]
name = "resnet"
channels = 1
widths = [4, 8]
blocks = 1
[data]
name = "digits"
"""


@pytest.fixture
def corners(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A network with batch norm on the digits, and two corners."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "problem.toml").write_text(IMAGES, encoding="utf-8")
    problem = Problem(problem_toml.read(folder))
    return problem, models(problem.network, count=2)[1]


MANY = np.array([[1.0, 0.0], [0.7, 0.3], [0.5, 0.5], [0.0, 1.0], [1.3, -0.3]])


@pytest.mark.parametrize("engine", ["graphs", "batched"])
def test_a_network_of_products_by_every_engine(tiny, corners, engine):
    """Many points at once equal one after the other; at the corners, bit for bit the checkpoint."""
    plain = Evaluate(tiny.problem, corners, engine="plain")
    fast = Evaluate(tiny.problem, corners, engine=engine)
    assert (fast.engine, plain.engine) == (engine, "plain")
    assert fast.width > plain.width == 1
    values = fast.many(MANY)
    for c, value in zip(MANY, values, strict=True):
        loss, errors = plain(c)
        assert value[0] == pytest.approx(loss, rel=1e-4, abs=1e-5)
        assert value[0].sum() == pytest.approx(loss.sum(), rel=1e-5)
        assert value[1].tolist() == errors.tolist()
    assert np.array_equal(values[0], plain.alone(0))
    assert np.array_equal(values[3], plain.alone(1))


@pytest.mark.parametrize("buffers", ["recalibrate", "mix"])
def test_batch_norm_by_graphs(images, buffers):
    """Statistics are measured anew within the graph; a network with batch norm is never batched over points."""
    problem, weights = images
    inside = MANY[:4]
    plain = Evaluate(problem, weights, buffers=buffers).many(inside)
    fast = Evaluate(problem, weights, buffers=buffers, engine="graphs")
    assert fast.engine == "graphs"
    assert fast.many(inside)[:, 0].sum(axis=1) == pytest.approx(plain[:, 0].sum(axis=1), rel=1e-5)
    assert Evaluate(problem, weights, engine="batched").engine == "plain"
    with pytest.raises(Refused, match="extrapolated"):
        Evaluate(problem, weights, buffers="mix", engine="graphs").many(MANY)


def test_a_corner_that_is_not_finite_is_mixed_one_by_one(tiny, corners):
    """0 · NaN would be NaN in a product; leaving out is not."""
    broken = {k: torch.full_like(v, torch.nan) for k, v in corners[1].items()}
    evaluate = Evaluate(tiny.problem, [*corners, broken], engine="batched")
    assert evaluate.engine == "plain"
    assert np.isfinite(evaluate(np.array([0.5, 0.5, 0.0]))).all()


NETS = {
    "mlp": (lambda: mlp.build(widths=(64, 32, 10)), torch.randn(20, 64)),
    "mlp whose first layer is shared": (lambda: mlp.build(widths=(784, 16, 10)), torch.randn(20, 784)),
    "gpt, tied": (lambda: gpt.build(vocab=11, context=6, dim=8, depth=1, heads=2), torch.arange(120).reshape(20, 6) % 11),
}


@pytest.mark.parametrize("case", NETS)
def test_stacked_weights_answer_as_each_point_does(case):
    """Three mixtures of three corners at once."""
    build, inputs = NETS[case]
    network, weights = models(build)
    corner_matrix = CornerMatrix(network, weights)
    batched = Batched.if_exact(network, corner_matrix, Shortcuts(network, corner_matrix.corners, inputs, shared=True), inputs)
    assert batched is not None
    shares = torch.tensor([[0.7, 0.5, -0.2], [0.1, 0.2, 0.7], [0.0, 0.5, 0.5]])
    found = batched(corner_matrix.stacked(shares), shares, slice(2, 9))
    for c, outputs in zip(shares, found, strict=True):
        mix(weights, c.tolist(), out=network.state_dict(keep_vars=True))
        assert outputs == pytest.approx(network(inputs[2:9]), abs=2e-5)


def test_what_cannot_be_stacked_is_left_out():
    """Convolutions by kind, control flow that looks at values by trial."""

    class Looking(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x):
            y = self.layer(x)
            return y if y.sum() > 0 else -y

    assert not of_products(vit.build(channels=1, image=8, patch=4))
    network, weights = models(Looking)
    corner_matrix = CornerMatrix(network, weights)
    inputs = torch.randn(9, 4)
    assert Batched.if_exact(network, corner_matrix, Shortcuts(network, corner_matrix.corners, inputs, shared=False), inputs) is None


def test_a_bank_holds_corners_and_mixtures():
    """The network's own tensors are its row: mixing is one product; integers and ties stay."""
    for build in (lambda: resnet.build(channels=3, widths=(4, 8)), NETS["gpt, tied"][0]):
        network, weights = models(build)
        before = network.state_dict(keep_vars=True)
        halves = [{k: v.half() if v.is_floating_point() else v for k, v in w.items()} for w in weights]
        corner_matrix = CornerMatrix(network, halves)
        for corner, half in zip(corner_matrix.corners, halves, strict=True):
            assert all(torch.equal(corner[k], half[k].to(corner[k].dtype)) for k in half)
        corner_matrix.mix(torch.tensor([0.7, 0.5, -0.2]))
        wanted = mix([{k: v.float() if v.is_floating_point() else v for k, v in h.items()} for h in halves], (0.7, 0.5, -0.2))
        for name, tensor in network.state_dict(keep_vars=True).items():
            assert tensor is before[name]
            assert torch.allclose(tensor, wanted[name], rtol=1e-5, atol=1e-6)


class Small(nn.Module):
    """A device that has memory for `room` samples at once."""

    room = 40

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        if len(x) > self.room:
            raise torch.OutOfMemoryError("no room for so many samples")
        return self.layer(x.flatten(1))


@pytest.mark.parametrize("engine", ["plain", "graphs", "batched"])
def test_where_memory_runs_out_the_chunk_is_halved_and_the_work_goes_on(tiny, monkeypatch, engine):
    """As often as it takes, at the same values."""
    _, weights = models(Small, count=2)
    for made in ("network", "blank"):
        monkeypatch.setattr(Problem, made, lambda self, *_, **__: Small().eval())
    with monkeypatch.context() as roomy:
        roomy.setattr(Small, "room", 10_000)
        values = Evaluate(tiny.problem, weights, engine="plain").many(MANY)
    evaluate = Evaluate(tiny.problem, weights, engine=engine)
    assert evaluate.engine == engine
    assert evaluate.many(MANY) == pytest.approx(values, rel=1e-5, abs=1e-5)
    assert 20 <= (evaluate.batched.chunk if evaluate.batched else evaluate.chunk) <= 40
    monkeypatch.setattr(Small, "room", 0)
    with pytest.raises(Refused, match="not enough memory on cpu for one sample"):
        evaluate.many(MANY)


def test_a_preview_is_close_and_leaves_the_settings_alone(tiny, corners):
    """bfloat16 sees the same picture roughly, and what is measured afterwards is exact again."""
    before = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision, torch.is_autocast_enabled("cpu")
    exact, rough = (Evaluate(tiny.problem, corners, precision=p).many(MANY) for p in ("float32", "bfloat16"))
    assert rough[:, 0].sum(axis=1) == pytest.approx(exact[:, 0].sum(axis=1), rel=0.05)
    assert not np.array_equal(rough, exact)
    assert np.array_equal(Evaluate(tiny.problem, corners).many(MANY), exact)
    assert before == (torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision, torch.is_autocast_enabled("cpu"))
    with precisely("tf32", torch.device("cpu")):
        assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    with precisely("float32", torch.device("cpu")):
        assert torch.backends.cudnn.conv.fp32_precision == torch.backends.cuda.matmul.fp32_precision == "ieee"


def test_every_flag_of_a_precision_says_the_same():
    """Of products, convolutions and recurrent layers, the older ones too, by which torch's compiler asks; afterwards they are as they were."""
    backends = torch.backends

    def flags():
        new = [b.fp32_precision for b in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)]
        return new, [backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32]

    before = flags()
    for precision, rounding in (("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "ieee")):
        with precisely(precision, torch.device("cpu")):
            assert flags() == ([rounding] * 3, [rounding == "tf32"] * 2)
        assert flags() == before


def test_a_preview_is_never_stored_as_the_real_thing(tiny):
    """Another precision is another field; full precision keeps the ids it always had."""
    field = tiny.field()
    assert tiny.field(precision="float32").id == field.id
    assert len({field.id, tiny.field(precision="bfloat16").id, tiny.field(precision="tf32").id}) == 3


def test_devices_that_are_not_there_are_refused_with_those_that_are(tiny):
    """auto is always one of them."""
    assert device_for("auto") in ("cpu", *accelerators())
    assert device_for("cpu") == "cpu"
    for wanted in ("cuda:99", "abacus"):
        with pytest.raises(Refused, match=f"no device {wanted!r} here. There are: auto, cpu"):
            device_for(wanted)
    found = memory("cpu")
    assert found is not None
    assert 0 < found.free < found.total


def test_the_chunk_never_decides_a_value(tiny, corners, monkeypatch):
    """But for rounding."""
    evaluate = Evaluate(tiny.problem, corners, engine="plain")
    whole = evaluate.many(MANY)
    evaluate.chunk = 7
    assert evaluate.many(MANY) == pytest.approx(whole, rel=1e-5, abs=1e-5)
    assert evaluator.CHUNK == 128
