"""Networks whose answer is no function of weights and sample: refused in a sentence; and those that write into their buffers: measured as their files are."""

import random

import numpy as np
import pytest
import torch

from explorer import api
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.hessian import Curvature
from explorer.methods.study._model_outputs import outputs
from tests import odd_networks as odd
from tests.odd_networks import checkpoints, problem_of

RANDOM = {
    odd.FunctionalDropout: r"differently each time: it draws random numbers by .* in odd_networks.py, line \d+: return functional.dropout\(h, 0.5\)",
    odd.SeldomLeftOut: r"differently each time: it draws random numbers by rand in odd_networks.py, line \d+: return h if torch.rand\(\(\)\)",
    odd.OwnNoise: r"differently each time: it draws random numbers by randn in odd_networks.py",
    odd.NumpyNoise: r"differently each time\. ",
    odd.CountsAside: r"differently each time\. ",
}


def points(problem, corners, coefficients, **options):
    return Evaluate(problem, corners, metrics=("loss",), **options).many(np.array(coefficients, dtype=float)).sum(axis=(1, 2))


@pytest.mark.parametrize("network", RANDOM)
def test_a_network_that_answers_differently_each_time_is_refused(network, tmp_path, home, monkeypatch):
    """By name of the operator where torch draws; the random generators of the process stay where they were."""
    problem = problem_of(network, tmp_path, monkeypatch)
    a, b = checkpoints(problem, tmp_path)
    problem.split("test")
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    with pytest.raises(Refused, match=RANDOM[network]):
        api.interpolate(a, b, problem=tmp_path, home=home)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()


def test_curvature_and_outputs_of_a_random_network_are_refused_too(tmp_path, monkeypatch):
    """Whatever asks a network for more than a point asks it twice first."""
    problem = problem_of(odd.FunctionalDropout, tmp_path, monkeypatch)
    weights = problem.network().state_dict()
    with pytest.raises(Refused, match="differently each time"):
        Curvature(problem, weights, samples=8)
    with pytest.raises(Refused, match="differently each time"):
        outputs(problem, weights, "test")


def test_a_network_that_draws_and_does_not_use_it_is_measured(tmp_path, monkeypatch):
    """Not the drawing is refused but what comes of it."""
    problem = problem_of(odd.DrawsForNothing, tmp_path, monkeypatch)
    same = problem_of(odd.Plain, tmp_path, monkeypatch)
    weights = same.network().state_dict()
    expected = points(same, [weights], [[1]], samples=16)
    problem_of(odd.DrawsForNothing, tmp_path, monkeypatch)
    assert points(problem, [weights], [[1]], samples=16) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [(odd.BatchNormOfBatch, "The batch norm norm of .* keeps no running statistics"), (odd.CentredByBatch, "depends on the others in the batch")],
)
def test_a_network_that_looks_at_the_whole_batch_is_refused(network, sentence, tmp_path, home, monkeypatch):
    """Its loss would depend on how samples are cut into chunks."""
    problem = problem_of(network, tmp_path, monkeypatch)
    a, b = checkpoints(problem, tmp_path)
    with pytest.raises(Refused, match=sentence):
        api.interpolate(a, b, problem=tmp_path, home=home)


@pytest.mark.parametrize("buffers", ["recalibrate", "mix", "first", "repair"])
@pytest.mark.parametrize("network", [odd.Replaces, odd.Counts])
def test_buffers_are_as_the_checkpoint_has_them_at_every_point_and_chunk(network, buffers, tmp_path, monkeypatch):
    """The ends are what one pass of the freshly loaded file gives, in many chunks, in any order, again and again; so is what lies between."""
    problem = problem_of(network, tmp_path, monkeypatch)
    corners = [problem.network(seed=seed).state_dict() for seed in range(2)]
    corners[1] = {n: t + 1 if n in ("mean", "count") else t for n, t in corners[1].items()}
    batch = problem.split("test")
    expected = []
    for weights in corners:
        made = problem.network()
        made.load_state_dict(weights)
        with torch.no_grad():
            expected.append(float(problem.losses(made(batch.inputs), batch.targets).sum()))
    before = [{n: t.clone() for n, t in w.items()} for w in corners]
    evaluate = Evaluate(problem, corners, metrics=("loss",), buffers=buffers)
    evaluate.chunk = 50
    found = evaluate.many(np.array([[0.5, 0.5], [1, 0], [0.5, 0.5], [0, 1], [0.5, 0.5], [1, 0]])).sum(axis=(1, 2))
    assert found[[1, 3, 5]] == pytest.approx([expected[0], expected[1], expected[0]], rel=1e-5)
    assert found[0] == found[2] == found[4]
    assert float(evaluate.alone(0).sum()) == pytest.approx(expected[0], rel=1e-5)
    assert all(torch.equal(t, w[n]) for w, b in zip(corners, before, strict=True) for n, t in b.items())


def test_buffers_that_a_forward_writes_do_not_leak_into_stacked_points(tmp_path, monkeypatch):
    """Many points at once are what each is by itself."""
    problem = problem_of(odd.Replaces, tmp_path, monkeypatch)
    corners = [{**problem.network(seed=seed).state_dict(), "mean": torch.tensor(1.0 + seed)} for seed in range(2)]
    shares = [[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]]
    assert points(problem, corners, shares, engine="batched") == pytest.approx(points(problem, corners, shares), rel=1e-5)


def test_one_sample_has_no_batch_statistics(tmp_path, home, monkeypatch):
    """A train split of a single sample: said so, with what to do."""
    generator = np.random.default_rng(0)
    test = {"x_test": generator.random((40, 64), "float32"), "y_test": np.arange(40) % 10}
    np.savez(tmp_path / "data.npz", x=generator.random((1, 64), "float32"), y=np.array([9]), **test)
    problem = problem_of(odd.Normed, tmp_path, monkeypatch, data='name = "npz"\npath = "data.npz"', split="val = 0.0")
    a, b = checkpoints(problem, tmp_path)
    with pytest.raises(Refused, match="there is one sample in it, which has no variance"):
        api.interpolate(a, b, problem=tmp_path, home=home)
