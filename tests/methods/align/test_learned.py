"""Maps of every class learned by the loss between two models."""

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.align import _all_classes, weight_matching
from explorer.methods.align._midpoint_loss import Between
from explorer.methods.align.learned import LINE, Way, align, straight_through
from explorer.methods.align.shuffle import align as shuffle
from explorer.symmetry.closest import Element
from explorer.symmetry.gauges import still
from explorer.symmetry.tangents import exponential, tangents
from tests.methods.align import sample


def equal(one, two):
    return all(torch.equal(one[n], two[n]) for n in one)


def barrier(problem, a, b):
    evaluate = Evaluate(problem, [a, b], split="test", metrics=("loss",))
    line = np.array([evaluate(np.array([1 - t, t]))[0].sum() / evaluate.counts.sum() for t in (0, 0.25, 0.5, 0.75, 1)])
    return float((line - np.interp(np.linspace(0, 1, 5), [0, 1], line[[0, -1]])).max())


def way(name, start=None, rate=0.01):
    """A model on its way to itself, from an element to begin with."""
    problem, (a, _) = sample(name)
    lattice, _ = _all_classes.lattice_for([a, a], problem)
    canonical = {n: w.float() for n, w in _all_classes.canonical([a], problem, lattice)[0].weights.items()}
    between = Between(problem, canonical)
    maps, turns = start(lattice) if start else (symmetry.identity(lattice.symmetry), still(lattice))
    return Way(between, canonical, lattice, Element(maps, turns), rate, np.random.default_rng(0)), between.held(canonical, LINE)


def test_a_planted_element_with_noise_leaves_no_barrier():
    """Two vision transformers, one the other elsewhere and a little disturbed: a high barrier before, none after."""
    problem, (a, _) = sample("digits-vit")
    generator = torch.Generator().manual_seed(0)
    planted = shuffle([a, a], problem, symmetry="all").weights[1]
    noisy = {n: t + 0.02 * t.std(correction=0) * torch.randn(t.shape, generator=generator) for n, t in planted.items()}
    assert barrier(problem, a, noisy) > 1
    done = align([a, noisy], problem, steps=20, restarts=1)
    assert barrier(problem, a, done.weights[1]) < 0.01


def far(lattice):
    """Along every class, as far as the loss of a network half-way is many times its own."""
    generator = torch.Generator().manual_seed(1)
    turns = {n: 0.2 * torch.randn(x.shape, generator=generator, dtype=torch.float64) for n, x in tangents(lattice).items()}
    moved = {n: exponential(lattice.gauges[n].cls, x) for n, x in turns.items()}
    return symmetry.identity(lattice.symmetry), {**still(lattice), **moved}


def test_the_gradient_leads_back_by_itself():
    """A network that stands far along its own orbit: without any matching, almost all of the way up is undone."""
    here, own = way("digits-vit", far)
    assert here.trace[0] > 20 * own
    for _ in range(60):
        here.step(128, 0.2, 1.0)
    here.judge()
    assert here.trace[-1] - own < 0.1 * (here.trace[0] - own)


def test_orders_of_units_are_learned_alone():
    """All hidden units in reverse, and nothing but orders to learn: most of the way up is undone."""

    def reversed_order(lattice):
        return {g: p.flip(0) for g, p in symmetry.identity(lattice.symmetry).items()}, still(lattice)

    here, own = way("digits-mlp", reversed_order, rate=0.03)
    here.tangents.clear()
    assert here.trace[0] > 20 * own
    for i in range(200):
        here.step(256, 0.2, 1.0)
        if i % 10 == 9:
            here.judge()
    assert here.trace[-1] - own < 0.4 * (here.trace[0] - own)


@pytest.mark.parametrize("rate", [0.01, 3.0])
def test_no_rate_makes_it_worse_than_its_start(rate):
    """On the held samples: a rate that leads nowhere leaves weight matching's maps, bit for bit."""
    problem, models = sample("digits-mlp")
    done, start = (f(models, problem, **o) for f, o in ((align, {"steps": 20, "rate": rate}), (weight_matching.align, {"symmetry": "all"})))
    assert (np.diff(done.trace[0]) <= 0).all()
    if rate > 1:
        assert equal(done.weights[1], start.weights[1])
    else:
        assert done.trace[0][-1] < done.trace[0][0]


def test_between_independent_transformers_it_goes_far_below_weight_matching():
    """The order of the paper, on held-out test samples: naive, weight matching, learned."""
    problem, (a, b) = sample("digits-vit")
    matched = weight_matching.align([a, b], problem, symmetry="all", restarts=1).weights[1]
    done = align([a, b], problem, steps=60, restarts=1)
    naive, before, after = (barrier(problem, a, w) for w in (b, matched, done.weights[1]))
    assert naive > before > after
    assert after < 0.1 * naive


def test_the_model_stays_an_ordinary_checkpoint_of_the_same_function():
    """Shapes, dtypes and outputs are its own, the reference is what was given, and nothing is written to."""
    problem, (a, b) = sample("digits-vit")
    before = [{n: t.clone() for n, t in m.items()} for m in (a, b)]
    state = torch.get_rng_state()
    done, again = (align([a, b], problem, steps=12, restarts=1) for _ in range(2))
    assert equal(done.weights[1], again.weights[1]), "the same seed gives the same bits"
    assert torch.equal(state, torch.get_rng_state())
    assert equal(before[0], a)
    assert equal(before[1], b)
    assert equal(done.weights[0], a)
    assert {n: (t.shape, t.dtype) for n, t in done.weights[1].items()} == {n: (t.shape, t.dtype) for n, t in b.items()}
    inputs, outputs = problem.split("test").inputs[:32], []
    network = problem.network().eval()
    for weights in (b, done.weights[1]):
        network.load_state_dict(weights)
        outputs.append(network(inputs).detach())
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-4 * outputs[0].abs().max()


def test_the_gradient_passes_straight_through():
    """In value the one, in gradient the other."""
    latent = torch.tensor([0.3, -2.0], requires_grad=True)
    used = straight_through(torch.tensor([1.0, -1.0]), latent)
    (used * torch.tensor([5.0, 7.0])).sum().backward()
    assert used.tolist() == [1.0, -1.0]
    assert latent.grad is not None
    assert latent.grad.tolist() == [5.0, 7.0]


def test_it_stops_when_it_is_told():
    """Progress only rises, and what it raises ends the work."""
    problem, models = sample("digits-mlp", 3)
    seen = []
    align(models, problem, steps=21, restarts=2, progress=lambda *args: seen.append(args[:2]))
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {46}

    def stop(done, total, message):
        if "on the line" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align(models, problem, steps=21, progress=stop)


def test_other_widths_are_refused():
    """Where inputs and outputs differ as well there is no map between them; and one model has no other."""
    problem, (a, b) = sample("digits-mlp")
    with pytest.raises(Refused, match="must agree"):
        align([a, {n: t[:5] for n, t in b.items()}], problem)
    with pytest.raises(Refused, match="learned aligns two models or more, got 1"):
        align([a], problem)
