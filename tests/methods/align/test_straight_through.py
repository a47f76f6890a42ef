"""The permutation chosen by the loss half-way."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.methods.align import weight_matching
from explorer.methods.align._midpoint_loss import Between
from explorer.methods.align.straight_through import CHANCE, _Descent, align
from explorer.problems.problem import Problem
from explorer.problems.problem_toml import find
from explorer.symmetry import permuted


@pytest.fixture
def models(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


@pytest.fixture(scope="module")
def deep(tiny):
    """A problem with batch norm and a residual stream, and two random networks of it."""
    network = registry.method("nets", "resnet", {"widths": [6], "blocks": 1})
    problem = Problem(replace(tiny.problem.spec, network=network))
    return problem, [dict(problem.network(seed=s).state_dict()) for s in (0, 1)]


def equal(one, two):
    return all(torch.equal(one[n], two[n]) for n in one)


@pytest.mark.parametrize("rate", [0.01, 10.0])
def test_no_rate_makes_it_worse_than_weight_matching(tiny, models, rate):
    """On the held samples; steps that lead nowhere leave its permutation."""
    matched = weight_matching.align(models, tiny.problem).weights[1]
    between = Between(tiny.problem, models[0])
    assert between.held(align(models, tiny.problem, steps=20, rate=rate).weights[1]) <= between.held(matched)


def test_the_best_permutation_of_all_is_kept():
    """Residual networks, where the loss jumps up and down: the lowest held loss seen, far below weight matching's, is that of the result."""
    problem = Problem(find("digits-resnet"))
    models = [checkpoint_file.read(locations.root() / "sample_models" / "digits-resnet" / f"seed-{i}.safetensors").weights for i in (0, 1)]
    found, between = symmetry.symmetry_of(problem), Between(problem, models[0])
    descent = _Descent(between, models[1], found, weight_matching.align(models, problem, restarts=1).maps[1], 0.01, np.random.default_rng(0))
    seen = [descent.value]
    for _ in range(12):
        descent.step(128)
        seen.append(between.held(permuted(models[1], found, descent.maps)))
    assert seen[-1] > min(seen)
    assert descent.value <= min(seen) / (1 - CHANCE)
    assert descent.value == between.held(permuted(models[1], found, descent.best)) < 0.8 * descent.start


def test_the_gradient_passes_straight_through(tiny, models):
    """What moves Ŵ is the gradient of the loss of (A + Ŵ + stop(π(B) − Ŵ)) / 2, the textbook form."""
    found, between = symmetry.symmetry_of(tiny.problem), Between(tiny.problem, models[0])
    maps = weight_matching.align(models, tiny.problem).maps[1]
    descent = _Descent(between, models[1], found, maps, 0.01, np.random.default_rng(0))
    free = {n: t.clone().requires_grad_() for n, t in descent.free.items()}
    placed = permuted(models[1], found, maps)
    between.loss({n: w + (placed[n] - w).detach() for n, w in free.items()}, torch.arange(len(between.targets))).backward()
    descent.step(len(between.targets))
    assert all(torch.allclose(descent.free[n].grad, w.grad, atol=1e-7) for n, w in free.items())
    assert all((descent.free[n] - w).abs().max() <= 0.0101 for n, w in free.items())
    assert any(not torch.equal(descent.free[n], w) for n, w in free.items())


def test_before_it_moves_it_is_weight_matching(tiny, models):
    """With next to no step the projection stays where it began, for the same seed and restarts."""
    matched = weight_matching.align(models, tiny.problem, restarts=3, seed=5)
    done = align(models, tiny.problem, steps=2, rate=1e-7, restarts=3, seed=5)
    assert equal(matched.maps[1], done.maps[1])


def test_the_trace_is_the_loss_of_every_batch(tiny, models):
    """One value a step; the first is that of weight matching on the first batch, before anything moved."""
    done = align(models, tiny.problem, steps=7, batch=10**4)
    between, matched = Between(tiny.problem, models[0]), weight_matching.align(models, tiny.problem).weights[1]
    assert len(done.trace[0]) == 7
    assert done.trace[0][0] == pytest.approx(float(between.loss(matched, torch.arange(len(between.targets))).detach()), rel=1e-5)


def test_a_shuffled_copy_is_restored(tiny, models, deep):
    """The very weights come back, with batch norm's statistics."""
    for problem, weights in ((tiny.problem, models[0]), (deep[0], deep[1][0])):
        found = symmetry.symmetry_of(problem)
        shuffled = permuted(weights, found, symmetry.random(found, torch.Generator().manual_seed(1)))
        assert not equal(shuffled, weights)
        assert equal(align([weights, shuffled], problem, steps=5).weights[1], weights)


def test_the_function_stays_and_so_do_the_inputs(deep):
    """The permuted network computes what it did; neither model is written to, and the global generator is left alone."""
    problem, models = deep
    before, state = [{n: t.clone() for n, t in m.items()} for m in models], torch.get_rng_state()
    one, two = (align(models, problem, steps=8) for _ in range(2))
    assert equal(one.maps[1], two.maps[1])
    assert all(equal(b, m) for b, m in zip(before, models, strict=True))
    assert not any(t.requires_grad for m in (*models, *one.weights) for t in m.values())
    assert torch.equal(state, torch.get_rng_state())
    network, inputs = problem.network(), problem.split("test").inputs[:20]
    with torch.no_grad():
        network.load_state_dict(models[1])
        wanted = network(inputs)
        network.load_state_dict(one.weights[1])
        assert torch.allclose(network(inputs), wanted, atol=1e-5)


def test_half_precision_comes_back_as_it_was(tiny, models):
    """float16 weights are computed in float32 and returned as float16."""
    half = [{n: t.half() for n, t in m.items()} for m in models]
    done = align(half, tiny.problem, steps=5)
    assert {t.dtype for t in done.weights[1].values()} == {torch.float16}
    assert equal(done.weights[1], permuted(half[1], symmetry.symmetry_of(tiny.problem), done.maps[1]))


def test_it_stops_when_it_is_told(tiny, models):
    """Progress counts descents, then steps, up to the last; what it raises ends the work."""
    seen = []
    align([*models, models[1]], tiny.problem, steps=3, restarts=2, progress=lambda *args: seen.append(args[:2]))
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {10}
    assert seen[-6:] == [(i, 10) for i in range(4, 10)]

    def stop(done, total, message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align(models, tiny.problem, progress=stop)


def test_other_widths_are_refused(tiny, models):
    """It permutes units, so it needs as many."""
    with pytest.raises(Refused, match="straight_through permutes units"):
        align([models[0], {n: t[:5] for n, t in models[1].items()}], tiny.problem)
