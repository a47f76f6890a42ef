"""The loss on the way from one model to another."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.methods.align._midpoint_loss import Between
from explorer.problems.problem import Problem


@pytest.fixture
def models(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def test_the_held_loss_is_that_of_the_averaged_network(tiny, models):
    """The mean over the first samples of the train split, of a network loaded with the average."""
    between, train = Between(tiny.problem, models[0]), tiny.problem.split("train")
    network = tiny.problem.network()
    network.load_state_dict({n: (models[0][n] + models[1][n]) / 2 for n in models[0]})
    with torch.no_grad():
        n = between.held_samples
        loss = tiny.problem.losses(network(train.inputs[:n]), train.targets[:n]).mean()
    assert between.held(models[1]) == pytest.approx(float(loss), rel=1e-6)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_the_loss_of_a_batch_is_that_of_the_mixed_network(tiny, models, t):
    """(1 − t)·reference + t·model, on these rows."""
    between = Between(tiny.problem, models[0])
    rows = between.batch(32, np.random.default_rng(0))
    network = tiny.problem.network()
    network.load_state_dict({n: (1 - t) * models[0][n] + t * models[1][n] for n in models[0]})
    loss = tiny.problem.losses(network(between.inputs[rows]), between.targets[rows]).mean()
    assert float(between.loss(models[1], rows, t).detach()) == pytest.approx(float(loss.detach()), rel=1e-5)


def test_held_samples_are_in_no_batch(tiny, models):
    """What is chosen by is not learnt from; together they are the train split."""
    between, train = Between(tiny.problem, models[0]), tiny.problem.split("train")
    assert torch.equal(between.inputs, train.inputs[between.held_samples :])
    rows = between.batch(10**9, np.random.default_rng(0))
    assert len(rows) == len(rows.unique()) == len(train.targets) - between.held_samples


def test_batch_norm_uses_the_statistics_of_the_batch(tiny):
    """The loss is that of the mixture in train mode. Running statistics have no say: absurd ones change nothing, and are left alone."""
    network = registry.method("nets", "resnet", {"widths": [4], "blocks": 1})
    problem = Problem(replace(tiny.problem.spec, network=network))
    a, b = (dict(problem.network(seed=s).state_dict()) for s in (0, 1))
    absurd = {n: t + 100 if "running" in n else t for n, t in a.items()}
    rows, before = torch.arange(32), {n: t.clone() for n, t in absurd.items()}
    between, mixture = Between(problem, absurd), problem.network().train()
    mixture.load_state_dict({n: t if not t.is_floating_point() else (t + b[n]) / 2 for n, t in a.items()})
    wanted = problem.losses(mixture(between.inputs[rows]), between.targets[rows]).mean()
    assert float(between.loss(b, rows).detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert all(torch.equal(absurd[n], before[n]) for n in before)


def test_a_loss_that_is_no_number_is_the_worst(tiny, models):
    """Not a number is never the lowest."""
    broken = {n: torch.full_like(t, torch.nan) for n, t in models[1].items()}
    assert Between(tiny.problem, models[0]).held(broken) == float("inf")
