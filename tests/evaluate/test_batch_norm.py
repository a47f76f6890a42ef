"""Batch norm between two models: what each buffer policy does, against an obviously right twin."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Fused
from explorer.engine.realise_recipe import realise
from explorer.evaluate.batch_norm import has_batch_norm
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

train = registry.find("train", "sgd")

TOML = """
[network]
name = "resnet"
widths = [4, 8]
blocks = 1

[data]
name = "digits"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two small ResNets, two epochs each."""
    folder = tmp_path_factory.mktemp("bn")
    (folder / "problem.toml").write_text(TOML)
    problem = Problem(problem_toml.read(folder))
    for seed, name in enumerate("ab"):
        *_, weights = train(problem, epochs=2, lr=0.05, seed=seed, order_seed=seed)
        checkpoint_file.write(folder / f"{name}.safetensors", weights)
    return folder


@pytest.fixture
def problem(folder):
    return Problem(problem_toml.read(folder))


@pytest.fixture
def corners(folder):
    return [checkpoint_file.read(folder / f"{n}.safetensors").weights for n in "ab"]


def mixed(problem, corners, t):
    """The mixture's parameters in a fresh network; buffers of the first corner."""
    network = problem.network()
    state = {k: (1 - t) * corners[0][k] + t * corners[1][k] if v.is_floating_point() else v for k, v in corners[0].items()}
    buffers = dict(network.named_buffers())
    network.load_state_dict({k: corners[0][k] if k in buffers else v for k, v in state.items()})
    return network


def loss(problem, network):
    batch = problem.split("test")
    network.eval()
    with torch.no_grad():
        return float(problem.losses(network(batch.inputs), batch.targets).mean())


def mean_loss(problem, corners, policy, t=0.5):
    evaluate = Evaluate(problem, corners, buffers=policy)
    return evaluate(np.array([1 - t, t]))[0].sum() / evaluate.counts.sum()


def test_the_network_has_what_is_tested(problem):
    """Otherwise all of this would pass for nothing."""
    assert has_batch_norm(problem.network())


def test_recalibration_is_the_cumulative_average_over_train_samples(problem, corners):
    """Against statistics taken by hand with hooks, layer by layer, over the same samples."""
    network = mixed(problem, corners, 0.5)
    inputs = problem.split("train").inputs[:2048]
    batches = torch.chunk(inputs, max(1, round(len(inputs) / 256)))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for m in norms:
        m.train()
    seen = {m: ([], []) for m in norms}

    def note(m, x):
        seen[m][0].append(x[0].mean((0, 2, 3)))
        seen[m][1].append(x[0].transpose(0, 1).flatten(1).var(1))

    for m in norms:
        m.register_forward_pre_hook(note)
    with torch.no_grad():
        for b in batches:
            network(b)
    for m in norms:
        m.running_mean.copy_(torch.stack(seen[m][0]).mean(0))
        m.running_var.copy_(torch.stack(seen[m][1]).mean(0))
    assert mean_loss(problem, corners, "recalibrate") == pytest.approx(loss(problem, network), rel=1e-4)


def test_first_keeps_the_first_models_statistics(problem, corners):
    """The policy that peers use without saying so."""
    assert mean_loss(problem, corners, "first") == pytest.approx(loss(problem, mixed(problem, corners, 0.5)), rel=1e-5)


def test_mix_mixes_statistics_like_weights(problem, corners):
    """Means and variances linearly, counters not."""
    network = problem.network()
    network.load_state_dict({k: (a + corners[1][k]) / 2 if a.is_floating_point() else a for k, a in corners[0].items()})
    assert mean_loss(problem, corners, "mix") == pytest.approx(loss(problem, network), rel=1e-5)


def test_the_policies_differ_between_the_ends_and_agree_at_them(problem, corners):
    """At a corner every policy leaves the checkpoint's own statistics."""
    policies = ("recalibrate", "mix", "first")
    assert len({round(mean_loss(problem, corners, p), 4) for p in policies}) == 3
    for t in (0.0, 1.0):
        assert len({mean_loss(problem, corners, p, t) for p in policies}) == 1


def test_variances_are_never_extrapolated(problem, corners):
    """Outside the span of the models a mixed variance may be negative: refused, with the way out."""
    with pytest.raises(Refused, match="cannot be extrapolated: choose buffers='recalibrate'"):
        mean_loss(problem, corners, "mix", 1.5)
    assert np.isfinite(mean_loss(problem, corners, "recalibrate", 1.5))


def test_counters_are_copied_not_mixed(problem, corners):
    """num_batches_tracked stays a whole number."""
    average = registry.find("fuse", "average")(corners, problem)
    name = next(k for k in average if k.endswith("num_batches_tracked"))
    assert average[name].dtype == torch.int64
    assert average[name] == corners[0][name]


@pytest.mark.parametrize("policy", ["recalibrate", "mix", "first"])
def test_the_saved_model_is_the_measured_point(problem, corners, folder, store, home, policy):
    """A file made from a point of the picture has that point's loss when it is loaded plainly."""
    half = registry.method("fuse", "average", {"weights": (0.5, 0.5)})
    recipe = Fused(problem.spec, tuple(loaded(folder / f"{n}.safetensors") for n in "ab"), half, policy)
    network = problem.network()
    network.load_state_dict(realise(recipe, store, home))
    assert loss(problem, network) == pytest.approx(mean_loss(problem, corners, policy), rel=1e-5)
    assert realise(replace(recipe, name="again"), store, home).keys() == network.state_dict().keys()


def test_recalibrating_leaves_everything_else_alone(problem, corners):
    """Modes, momenta, the corners and the global random state are as they were."""
    evaluate = Evaluate(problem, corners)
    momenta = [m.momentum for m in evaluate.network.modules() if isinstance(m, nn.BatchNorm2d)]
    before, state = corners[0]["stem.weight"].clone(), torch.get_rng_state()
    evaluate(np.array([0.5, 0.5]))
    assert not any(m.training for m in evaluate.network.modules())
    assert [m.momentum for m in evaluate.network.modules() if isinstance(m, nn.BatchNorm2d)] == momenta
    assert torch.equal(corners[0]["stem.weight"], before)
    assert torch.equal(torch.get_rng_state(), state)
