"""SWAG's Bayesian average, against a plain loop over its draws."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import locations, registry
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.mixture import with_own_statistics
from explorer.methods.fuse import swag
from explorer.problems.problem import Problem
from tests.methods.train.test_train import problem as small

train = registry.find("train", "sgd")

study = registry.find("study", "swag")


@pytest.fixture(scope="module")
def trajectory():
    """The late snapshots of the shipped training."""
    from explorer.problems import problem_toml

    files = sorted((locations.root() / "sample_models" / "digits-mlp-trajectory").glob("*.safetensors"))[-5:]
    return Problem(problem_toml.find("digits-mlp-trajectory")), [checkpoint_file.read(f).weights for f in files]


def test_it_is_the_mean_of_the_draws_probabilities(trajectory):
    """By a plain loop; the mean and the last snapshot are what any picture of them says."""
    problem, models = trajectory
    found = study(models, problem, draws=3, rank=2)
    batch = problem.split("test")
    total = 0
    for k in range(3):
        network = problem.network().eval()
        network.load_state_dict(swag.fuse(models, problem, sample=k + 1, rank=2))
        with torch.no_grad():
            total = total + network(batch.inputs).double().softmax(dim=1) / 3
    losses = -total[torch.arange(len(total)), batch.targets].log()
    assert np.sum(found["values"][0][0]) == pytest.approx(float(losses.sum()), rel=1e-5)
    assert np.sum(found["values"][0][1]) == float((total.argmax(dim=1) != batch.targets).sum())
    evaluate = Evaluate(problem, [swag.fuse(models, problem, sample=0), models[-1]])
    for row, corner in ((1, 0), (2, 1)):
        assert np.array(found["values"][row]) == pytest.approx(evaluate.alone(corner), rel=1e-4, abs=1e-4)
    assert found["counts"] == evaluate.counts.tolist()


def test_every_draw_has_its_own_batch_norm_statistics():
    """One draw of width zero is the mean, with statistics re-estimated."""
    problem = small("resnet", widths=(4,))
    models = list(train(problem, epochs=2, lr=0.02))
    found = study(models, problem, draws=1, scale=0.0)
    assert np.array(found["values"][0]) == pytest.approx(np.array(found["values"][1]), rel=1e-6)
    mean = with_own_statistics(swag.fuse(models, problem, sample=0), problem)
    evaluate = Evaluate(problem, [mean])
    assert np.array(found["values"][1]) == pytest.approx(evaluate.alone(0), rel=1e-4, abs=1e-4)
