"""What all models say together, beside each alone and beside a fused one."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.points import Points
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.study._output_ensemble import METRICS, ensemble, together
from explorer.stats.barriers import difference
from tests.methods.align import sample

study = registry.find("study", "ensemble")


@pytest.fixture
def models(tiny):
    return [checkpoint_file.read(tiny.a).weights, checkpoint_file.read(tiny.b).weights]


@pytest.mark.parametrize("of", ["probabilities", "logits"])
def test_it_is_the_mean_of_what_the_models_say(tiny, models, of):
    """By a plain loop over models: losses and errors of the mean, in blocks of every 256th sample."""
    batch = tiny.problem.split("test")
    answers = []
    for weights in models:
        network = tiny.problem.network()
        network.load_state_dict(weights)
        with torch.no_grad():
            logits = network(batch.inputs).double()
        answers.append(logits.softmax(dim=1) if of == "probabilities" else logits)
    mean = torch.stack(answers).mean(dim=0)
    p = mean if of == "probabilities" else mean.softmax(dim=1)
    losses = -p[torch.arange(len(p)), batch.targets].log()
    wrong = (p.argmax(dim=1) != batch.targets).double()
    found = study(models, tiny.problem, of=of)
    assert found["metrics"] == ["loss", "error"]
    for row, values in zip(found["ensemble"], (losses, wrong), strict=True):
        assert row == pytest.approx([float(values[b::256].sum()) for b in range(256)], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", ["digits-resnet", "char-gpt"])
def test_each_model_alone_is_what_any_point_of_a_picture_at_it_is(name):
    """Same blocks, same counts, each with its own batch-norm statistics; an ensemble of one is that one."""
    problem, models = sample(name)
    evaluate = Evaluate(problem, models, split="val", samples=40, blocks=16)
    found = ensemble(problem, models, split="val", samples=40, blocks=16)
    assert np.array_equal(found.alone.counts, evaluate.counts)
    for i in range(2):
        assert found.alone.values[i] == pytest.approx(evaluate.alone(i), rel=1e-5, abs=1e-5)
        one = ensemble(problem, [models[i]], split="val", samples=40, blocks=16)
        assert one.ensemble.values[0] == pytest.approx(one.alone.values[0], rel=1e-5, abs=1e-5)
    assert found.ensemble.values.shape == (1, len(METRICS), 16)


@pytest.mark.parametrize("of", ["probabilities", "logits"])
def test_its_loss_is_at_most_the_mean_of_the_models_losses(tiny, models, of):
    """Jensen's inequality, which holds in every block."""
    found = ensemble(tiny.problem, models, of=of)
    assert (found.ensemble.values[0, 0] <= found.alone.values[:, 0].mean(axis=0) + 1e-6).all()


def test_of_linear_models_the_mean_of_logits_is_the_answer_of_the_average(tiny):
    """Outputs are linear in the weights; the mean of probabilities is not."""
    g = torch.Generator().manual_seed(0)
    x, weights = torch.randn(20, 5, generator=g), torch.randn(3, 4, 5, generator=g)
    outputs = [x @ w.T for w in weights]
    assert torch.allclose(together(outputs, "logits"), x @ weights.mean(dim=0).T, atol=1e-5)
    assert torch.allclose(together(outputs, "probabilities").exp(), torch.stack([o.softmax(-1) for o in outputs]).mean(dim=0), atol=1e-6)
    assert torch.allclose(together(outputs, "probabilities").exp().sum(dim=-1), torch.ones(20), atol=1e-5)
    assert not torch.allclose(together(outputs, "logits").softmax(-1), together(outputs, "probabilities").exp(), atol=1e-3)


def test_a_fused_model_is_held_against_it_pair_by_pair(tiny, models):
    """The interval of the difference is narrower than that of samples drawn apart."""
    together_ = ensemble(tiny.problem, models).ensemble
    evaluate = Evaluate(tiny.problem, models)
    single = Points(np.zeros((1, 2)), evaluate(np.array([1.0, 0.0]))[None], evaluate.counts)
    gap = difference(single, together_)
    assert gap.low <= gap.value <= gap.high
    assert gap.value == pytest.approx(float(single.means()[0, 0] - together_.means()[0, 0]))
    shuffled = Points(together_.coords, together_.values[..., np.random.default_rng(0).permutation(256)], together_.counts)
    apart = difference(single, shuffled)
    assert gap.high - gap.low < apart.high - apart.low


def test_a_model_that_answers_nan_spoils_the_error_as_it_does_the_loss(tiny, models):
    """It is neither right nor wrong."""
    broken = {n: torch.full_like(t, torch.nan) for n, t in models[0].items()}
    found = ensemble(tiny.problem, [models[0], broken])
    assert np.isnan(found.ensemble.values).all()
    assert np.isfinite(found.alone.values[0]).all()


def test_half_precision_and_double_are_asked_in_single_and_double(tiny, models):
    """To the precision that is left; what is given is not written to."""
    known = ensemble(tiny.problem, models).ensemble.means()
    for dtype, tolerance in ((torch.float16, 1e-2), (torch.float64, 1e-5)):
        given = [{n: t.to(dtype) for n, t in m.items()} for m in models]
        before = [{n: t.clone() for n, t in m.items()} for m in given]
        assert ensemble(tiny.problem, given).ensemble.means() == pytest.approx(known, rel=tolerance, abs=tolerance)
        assert all(torch.equal(m[n], b[n]) for m, b in zip(given, before, strict=True) for n in m)


def test_a_regression_is_the_mean_of_the_outputs(tmp_path):
    """Whatever was asked for: there are no probabilities."""
    from explorer.problems import problem_toml
    from explorer.problems.problem import Problem

    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(50, 3)).astype(np.float32), y=rng.normal(size=(50, 2)).astype(np.float32))
    toml = 'loss = "mse"\n[network]\nname = "mlp"\nwidths = [3, 2]\n[data]\nname = "npz"\npath = "data.npz"\n'
    (tmp_path / "problem.toml").write_text(toml, encoding="utf-8")
    problem = Problem(problem_toml.read(tmp_path))
    models = [problem.network(seed=s).state_dict() for s in range(2)]
    batch = problem.split("test")
    mean = sum(functional.linear(batch.inputs, m["layers.0.weight"], m["layers.0.bias"]) for m in models) / 2
    assert ensemble(problem, models).ensemble.means()[0] == pytest.approx([float((mean - batch.targets).square().mean()), 0.0], rel=1e-5)
