"""Many models in one order: round a circle and exactly back."""

import numpy as np
import pytest
import torch

from explorer import methods, symmetry
from explorer.align.cycle_consistent import align, climb
from explorer.symmetry import compose, inverse
from tests.align import sample


def mean_distance(problem, weights):
    names = [n for n, _ in problem.network().named_parameters()]
    pairs = [(i, j) for i in range(len(weights)) for j in range(i)]
    return float(np.mean([float(sum((weights[i][n] - weights[j][n]).double().square().sum() for n in names)) ** 0.5 for i, j in pairs]))


@pytest.mark.parametrize("name", ["digits-mlp", "digits-resnet"])
def test_round_the_circle_is_the_identity_in_whole_numbers(name):
    """P_AC · P_CB · P_BA = I, exactly."""
    problem, models = sample(name, 3)
    found = symmetry.of(problem)
    a, b, c = align(models, problem).maps

    def between(source, target):
        """The order of one model told in that of another."""
        return compose(found, source, inverse(found, target))

    circle = compose(found, compose(found, between(b, a), between(a, c)), between(c, b))
    still = symmetry.identity(found)
    assert all(torch.equal(circle[g], still[g]) for g in still)
    assert all(torch.equal(a[g], still[g]) for g in still), "the first model stays"


@pytest.mark.parametrize("name", ["digits-mlp", "digits-vit"])
def test_shuffled_copies_are_all_put_back(name):
    """Three copies of one network in three orders, heads and what lies in them included."""
    problem, (a, *_) = sample(name, 3)
    found = symmetry.of(problem)
    generator = torch.Generator().manual_seed(9)
    copies = [symmetry.permuted(a, found, symmetry.random(found, generator)) for _ in range(2)]
    done = align([a, *copies], problem)
    assert all(torch.equal(w[k], a[k]) for w in done.weights for k in a)


def test_models_come_nearer_to_one_another_than_by_matching_each_with_the_first():
    """What it is for: the mean distance over all pairs."""
    problem, models = sample("digits-mlp", 5)
    pairwise = methods.find("align", "weight_matching")(models, problem, restarts=1)
    common = align(models, problem)
    assert mean_distance(problem, common.weights) < mean_distance(problem, pairwise.weights)
    assert common.trace[0][-1] == pytest.approx(mean_distance(problem, common.weights), rel=1e-6)


def test_every_round_comes_nearer():
    """The climb never goes down, from any start."""
    problem, models = sample("digits-resnet", 3)
    found = symmetry.of(problem)
    parameters = [n for n, _ in problem.network().named_parameters()]
    maps = [symmetry.random(found, torch.Generator().manual_seed(i)) for i in range(3)]
    trace = climb(models, found, parameters, maps, np.random.default_rng(0), "cpu")
    assert len(trace) > 2
    assert trace[-1] < trace[0]
    squares = np.array(trace)
    assert (np.diff(squares) < 1e-6).all()


def test_the_order_of_the_models_does_not_decide_how_near_they_come():
    """Up to local optima: the same models the other way round end within one per cent."""
    problem, models = sample("digits-mlp", 3)
    here, there = align(models, problem), align(models[::-1], problem)
    assert here.trace[0][-1] == pytest.approx(there.trace[0][-1], rel=0.01)


def test_two_models_are_matched_as_a_pair_is():
    """With two models cycle consistency asks nothing more than matching does."""
    problem, models = sample("digits-mlp", 2)
    pair = methods.find("align", "weight_matching")(models, problem, restarts=4)
    assert mean_distance(problem, align(models, problem).weights) == pytest.approx(mean_distance(problem, pair.weights), rel=0.01)
