"""Soft permutations, and what descending through them finds."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from explorer import symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.methods.align._midpoint_loss import Between
from explorer.methods.align.sinkhorn import SoftPermutation, align, balanced
from explorer.problems.problem import Problem
from explorer.symmetry import permuted


@pytest.fixture
def models(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def logits(*shape, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def unrolled(x, sweeps=300):
    """The naive twin: plain iterations, autograd through all of them."""
    p = x.exp()
    for _ in range(sweeps):
        p = p / p.sum(-1, keepdim=True)
        p = p / p.sum(-2, keepdim=True)
    return p


def gradient(f, x, weight):
    x = x.clone().requires_grad_()
    (f(x) * weight).sum().backward()
    return x.grad


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_rows_and_columns_sum_to_one(scale):
    """Doubly stochastic to the tolerance, for a stack of matrices."""
    p = balanced(logits(3, 8, 8, scale=scale)).exp()
    assert (p.sum(-1) - 1).abs().max() < 1e-8
    assert (p.sum(-2) - 1).abs().max() < 1e-8


def test_cold_is_the_best_assignment_and_hot_is_uniform():
    """τ → 0: the sum of the best permutation; τ → ∞: 1/n everywhere."""
    x = logits(6, 6)
    best = max(float(x[torch.arange(6), list(p)].sum()) for p in permutations(range(6)))
    assert float((balanced(x / 0.02).exp() * x).sum()) == pytest.approx(best, abs=0.01)
    assert float((balanced(x).exp() * x).sum()) < best - 1
    assert torch.allclose(balanced(x / 1e6).exp(), torch.full_like(x, 1 / 6), atol=1e-5)


def test_the_implicit_gradient_is_that_of_the_unrolled_iterations():
    """One linear system gives what autograd through 300 sweeps gives."""
    x, weight = logits(2, 7, 7), logits(7, 7) * 3
    assert torch.allclose(gradient(SoftPermutation.apply, x, weight), gradient(unrolled, x, weight), atol=1e-9)


def test_the_implicit_gradient_is_that_of_finite_differences():
    """Checked numerically in float64."""
    assert torch.autograd.gradcheck(SoftPermutation.apply, (logits(2, 5, 5).requires_grad_(),), eps=1e-5, atol=1e-6)


@pytest.mark.parametrize("sharpness", [20.0, 200.0, 2000.0])
def test_a_permutation_has_no_gradient_and_no_nan(sharpness):
    """All but singular systems are solved all the same."""
    grad = gradient(SoftPermutation.apply, sharpness * torch.eye(6, dtype=torch.float64).roll(1, 0), logits(6, 6))
    assert grad.isfinite().all()
    assert grad.abs().max() < 1e-6


def test_a_shuffled_copy_is_restored(tiny, models):
    """l2 comes back to the very weights."""
    found = symmetry.symmetry_of(tiny.problem)
    maps = symmetry.random(found, torch.Generator().manual_seed(1))
    done = align([models[0], permuted(models[0], found, maps)], tiny.problem)
    assert all(torch.equal(done.weights[1][n], t) for n, t in models[0].items())
    assert done.trace[0][-1] < 1e-3 < done.trace[0][0]


def test_orders_within_heads_are_restored(tiny):
    """Each head's own order, and that of the heads, are found together."""
    vit = registry.method("nets", "vit", {"image": 8, "patch": 4, "dim": 8, "depth": 1, "heads": 2, "ratio": 1})
    problem = Problem(replace(tiny.problem.spec, network=vit))
    found, weights = symmetry.symmetry_of(problem), dict(problem.network(seed=1).state_dict())
    assert any(g.within for g in found.groups.values())
    maps = symmetry.random(found, torch.Generator().manual_seed(2))
    done = align([weights, permuted(weights, found, maps)], problem, rate=0.2, steps=200)
    assert all(torch.equal(done.weights[1][n], t) for n, t in weights.items())


def test_two_seeds_come_closer(tiny, models):
    """The distance falls, and is that of the weights returned."""
    done = align(models, tiny.problem)
    movable = {n: t for n, t in models[0].items() if n in symmetry.symmetry_of(tiny.problem).axes}
    far, near = (sum(float((a - b[n]).square().sum()) for n, a in movable.items()) ** 0.5 for b in (models[1], done.weights[1]))
    assert near < 0.95 * far
    assert done.trace[0][-1] == pytest.approx(near, rel=1e-4)


def test_one_step_is_never_worse_than_none(tiny, models):
    """The identity is among the candidates: two models that are aligned already stay so."""
    done = align([models[0], models[0]], tiny.problem, steps=1)
    assert all(torch.equal(p, torch.arange(12)) for p in done.maps[1].values())


@pytest.mark.parametrize("loss", ["midpoint", "random"])
def test_the_loss_half_way_falls(tiny, models, loss):
    """On held samples, to that of the weights returned, and well below that of the identity."""
    done = align(models, tiny.problem, loss=loss, steps=60)
    between = Between(tiny.problem, models[0])
    assert done.trace[0][0] == pytest.approx(between.held(models[1]))
    assert done.trace[0][-1] == pytest.approx(between.held(done.weights[1]))
    assert done.trace[0][-1] < 0.9 * done.trace[0][0]


@pytest.mark.parametrize("loss", ["l2", "midpoint"])
def test_the_same_seed_gives_the_same_maps_and_the_function_stays(tiny, models, loss):
    """Nothing but the seed decides; the global generator is left alone; the model computes what it did."""
    before, state = {n: t.clone() for n, t in models[1].items()}, torch.get_rng_state()
    one, two = (align(models, tiny.problem, loss=loss, steps=20, seed=3) for _ in range(2))
    assert all(torch.equal(one.maps[1][n], two.maps[1][n]) for n in one.maps[1])
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(models[1][n], before[n]) for n in before)
    network, inputs = tiny.problem.network(), tiny.problem.split("test").inputs[:20]
    network.load_state_dict(models[1])
    wanted = network(inputs)
    network.load_state_dict(one.weights[1])
    assert torch.allclose(network(inputs), wanted, atol=1e-5)


def test_half_precision_comes_back_as_it_was(tiny, models):
    """float16 weights are computed in float32 and returned as float16."""
    half = [{n: t.half() for n, t in m.items()} for m in models]
    for loss in ("l2", "midpoint"):
        done = align(half, tiny.problem, loss=loss, steps=20)
        assert {t.dtype for t in done.weights[1].values()} == {torch.float16}
        assert done.trace[0][-1] < done.trace[0][0]


def test_it_stops_when_it_is_told(tiny, models):
    """What progress raises ends the work."""

    def stop(done, total, message):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align(models, tiny.problem, progress=stop)


def test_other_widths_are_refused(tiny, models):
    """It permutes units, so it needs as many."""
    with pytest.raises(Refused, match="needs equal widths; optimal_transport does not"):
        align([models[0], {n: t[:5] for n, t in models[1].items()}], tiny.problem)
