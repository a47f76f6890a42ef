"""Many models in one order: round a circle and exactly back."""

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.core import registry
from explorer.methods.align.cycle_consistent import agreement, align, climb
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry import compose, inverse
from tests.methods.align import sample


def distance(problem, weights):
    """Root mean square over all pairs."""
    names = [n for n, _ in problem.network().named_parameters()]
    pairs = [(i, j) for i in range(len(weights)) for j in range(i)]
    return float(np.mean([float(sum((weights[i][n] - weights[j][n]).double().square().sum() for n in names)) for i, j in pairs])) ** 0.5


@pytest.mark.parametrize("name", ["digits-mlp", "digits-resnet"])
def test_round_the_circle_is_the_identity_in_whole_numbers(name):
    """P_AC · P_CB · P_BA = I, exactly."""
    problem, models = sample(name, 3)
    found = symmetry.symmetry_of(problem)
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
    found = symmetry.symmetry_of(problem)
    generator = torch.Generator().manual_seed(9)
    copies = [symmetry.permuted(a, found, symmetry.random(found, generator)) for _ in range(2)]
    done = align([a, *copies], problem)
    assert all(torch.equal(w[k], a[k]) for w in done.weights for k in a)


def test_models_come_nearer_to_one_another_than_by_matching_each_with_the_first():
    """What it is for: the root mean square distance over all pairs, which is also what it tells."""
    problem, models = sample("digits-mlp", 5)
    pairwise = registry.find("align", "weight_matching")(models, problem, restarts=1)
    common = align(models, problem)
    assert distance(problem, common.weights) < distance(problem, pairwise.weights)
    assert common.trace[0][-1] == pytest.approx(distance(problem, common.weights), rel=1e-6)


def test_every_round_comes_nearer():
    """The climb never goes down, from any start."""
    problem, models = sample("digits-resnet", 3)
    found = symmetry.symmetry_of(problem)
    parameters = [n for n, _ in problem.network().named_parameters()]
    maps = [symmetry.random(found, torch.Generator().manual_seed(i)) for i in range(3)]
    trace = climb(models, found, parameters, maps, np.random.default_rng(0), "cpu")
    assert len(trace) > 2
    assert (np.diff(trace) < 0).all()
    assert trace[-1] == pytest.approx(distance(problem, [symmetry.permuted(w, found, m) for w, m in zip(models, maps, strict=True)]), rel=1e-6)


def test_models_of_very_different_distances_come_nearer_round_by_round(tmp_path):
    """Random networks, some near one another and one far: what falls is the sum of squares, not the mean distance; and no set ends farther apart."""
    (tmp_path / "problem.toml").write_text('[network]\nname = "mlp"\nwidths = [64, 8, 8, 10]\n[data]\nname = "digits"\n', encoding="utf-8")
    problem = Problem(problem_toml.read(tmp_path))
    like = problem.network().state_dict()
    found, parameters = symmetry.symmetry_of(problem), list(like)
    for seed in (0, 46, 90):
        generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)

        def noise(generator=generator):
            return {k: torch.randn(v.shape, generator=generator) for k, v in like.items()}

        centre, far = noise(), noise()
        near = [{k: centre[k] + rng.choice([0.1, 0.5, 1.0]) * e for k, e in noise().items()} for _ in range(rng.integers(2, 5))]
        models = [far, *near]
        maps = registry.find("align", "weight_matching")(models, problem, restarts=1).maps
        trace = climb(models, found, parameters, list(maps), np.random.default_rng((0, 0)), "cpu")
        assert (np.diff(trace) < 0).all()
        assert distance(problem, align(models, problem, restarts=1).weights) <= distance(problem, models) * (1 + 1e-6)


def test_many_models_already_in_one_order_stay_near():
    """Copies with a little noise, beside a model of another training: they are not torn apart on the way to it."""
    problem, (a, b) = sample("digits-mlp", 2)
    generator = torch.Generator().manual_seed(1)
    copies = [{k: v + 0.1 * v.std() * torch.randn(v.shape, generator=generator) for k, v in b.items()} for _ in range(3)]
    done = align([a, *copies], problem)
    assert distance(problem, done.weights[1:]) == pytest.approx(distance(problem, copies), rel=1e-6)
    assert distance(problem, done.weights) < 0.8 * distance(problem, [a, *copies])


def test_the_order_of_the_models_does_not_decide_how_near_they_come():
    """Up to local optima: the same models the other way round end within one per cent."""
    problem, models = sample("digits-mlp", 3)
    here, there = align(models, problem), align(models[::-1], problem)
    assert here.trace[0][-1] == pytest.approx(there.trace[0][-1], rel=0.01)


def test_models_that_stand_better_than_the_soft_phase_would_place_them_stay():
    """Frank-Wolfe ends in another place for every choice of the first model. Told the better end, in the order that leads to the worse, it keeps it."""
    problem, (a, b, c) = sample("digits-resnet", 3)
    better, worse = align([b, c, a], problem, restarts=1), align([c, b, a], problem, restarts=1)
    assert distance(problem, better.weights) < distance(problem, worse.weights) * (1 - 1e-4), "or this test asks nothing"
    b, c, a = better.weights
    assert distance(problem, align([c, b, a], problem, restarts=1).weights) <= distance(problem, better.weights) * (1 + 1e-6)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_agreement_is_the_sum_over_all_pairs(count):
    """Held to the double loop, with its gradient."""
    generator = torch.Generator().manual_seed(count)
    tensors = [torch.randn(3, 4, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(count)]
    slow = torch.stack([(tensors[p] * tensors[q]).sum() for q in range(count) for p in range(q)]).sum()
    assert float(agreement(tensors).detach()) == pytest.approx(float(slow.detach()), rel=1e-12)
    for fast, expected in zip(torch.autograd.grad(agreement(tensors), tensors), torch.autograd.grad(slow, tensors), strict=True):
        assert torch.allclose(fast, expected)


def test_two_models_are_matched_as_a_pair_is():
    """With two models cycle consistency asks nothing more than matching does: the soft phase is Frank-Wolfe's, and what follows only comes nearer."""
    for name in ("digits-mlp", "digits-resnet"):
        problem, models = sample(name, 2)
        pair = distance(problem, registry.find("align", "frank_wolfe")(models, problem).weights)
        assert distance(problem, align(models, problem, restarts=1).weights) == pytest.approx(pair, rel=2e-3)


def test_it_can_be_stopped_in_the_middle_of_a_climb():
    """Progress is told at every step of the one climb there is, and what it raises gets out."""
    problem, models = sample("digits-mlp", 3)
    seen = []

    def progress(done, total, message):
        seen.append(message)
        assert (done, total) == (0, 1)
        if sum("apart" in m for m in seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align(models, problem, restarts=1, progress=progress)
    assert any("step" in m for m in seen), "also in the soft phase"
