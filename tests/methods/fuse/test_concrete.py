"""A learned mask over task vectors."""

from dataclasses import replace

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core.errors import Refused
from explorer.methods.fuse import concrete, task_arithmetic
from explorer.problems.problem import Problem
from tests.methods.fuse import near
from tests.methods.fuse.test_learned import entropy


@pytest.fixture
def models(tiny):
    """A network that was not trained, and two that were."""
    return [tiny.problem.network(seed=5).state_dict(), *(checkpoint_file.read(p).weights for p in (tiny.a, tiny.b))]


def test_without_a_step_it_is_task_arithmetic(tiny, models):
    """Every weight is as likely to be on as any other."""
    assert near(concrete.fuse(models, tiny.problem, epochs=0, scale=0.4), task_arithmetic.fuse(models, tiny.problem, coefficients=(0.4, 0.4)))


def test_the_mask_makes_predictions_surer(tiny, models):
    """Than task arithmetic's; and it leaves the mean of what it hides: m̂ has the mean 1 in every tensor."""
    plain = task_arithmetic.fuse(models, tiny.problem, coefficients=(0.3, 0.3))
    found = concrete.fuse(models, tiny.problem, lr=0.1, epochs=10)
    assert entropy(tiny.problem, found) < 0.9 * entropy(tiny.problem, plain)
    for name, base in models[0].items():
        added = plain[name] - base
        mask = ((found[name] - base) / added)[added.abs() > 1e-3]
        assert mask.min() >= 0
        assert mask.mean() == pytest.approx(1, abs=0.1)


def test_a_cold_mask_is_zeros_and_ones_with_the_probability_of_the_logit():
    """And at any temperature half of the draws are above a half where the logit is 0."""
    logits = torch.tensor([-1.0, 0.0, 2.0]).repeat(20000, 1)
    cold = concrete.drawn(logits, 0.01, torch.Generator().manual_seed(0))
    assert ((cold < 0.01) | (cold > 0.99)).float().mean() > 0.97
    assert cold.mean(0).tolist() == pytest.approx(torch.tensor([-1.0, 0.0, 2.0]).sigmoid().tolist(), abs=0.02)
    warm = concrete.drawn(logits, 2.0, torch.Generator().manual_seed(1))
    assert float((warm[:, 1] > 0.5).float().mean()) == pytest.approx(0.5, abs=0.02)


def test_a_regression_is_refused(tiny, models):
    """It has no confidence."""
    with pytest.raises(Refused, match="concrete makes predictions more confident"):
        concrete.fuse(models, Problem(replace(tiny.problem.spec, loss="mse")))
