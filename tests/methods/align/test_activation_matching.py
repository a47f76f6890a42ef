"""Activation matching: known answers for each cost, and planted permutations."""

import itertools
from math import log

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import locations
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.align.activation_matching import _by_weights, align, pairs
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry.assignment import WeightScores, assign

COSTS = ("correlation", "l2", "mutual_information")


def sample(name):
    folder = locations.root() / "sample_models" / name
    return Problem(problem_toml.find(name)), [checkpoint_file.read(folder / f"seed-{i}.safetensors").weights for i in (0, 1)]


def shuffled(problem, weights, seed=1):
    found = symmetry.symmetry_of(problem)
    return symmetry.permuted(weights, found, symmetry.random(found, torch.Generator().manual_seed(seed)))


def naive_correlation(x, y):
    return torch.tensor([[np.corrcoef(a, b)[0, 1] for b in y.double().numpy()] for a in x.double().numpy()])


def naive_information(x, y, bins):
    """By counting, pair by pair."""

    def binned(row):
        edges = [sorted(row)[i * len(row) // bins] for i in range(1, bins)]
        return [sum(value >= e for e in edges) for value in row]

    found = torch.zeros(len(x), len(y), dtype=torch.float64)
    for (i, a), (j, b) in itertools.product(enumerate(map(binned, x.tolist())), enumerate(map(binned, y.tolist()))):
        n = len(a)
        for u, v in set(zip(a, b, strict=True)):
            joint = sum((p, q) == (u, v) for p, q in zip(a, b, strict=True)) / n
            found[i, j] += joint * log(joint / (a.count(u) / n * b.count(v) / n))
    return found


@pytest.fixture
def rows():
    """Units that respond like ReLU units, some to the same thing."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 240, generator=generator)
    return [(torch.randn(n, 3, generator=generator) @ hidden + 0.3 * torch.randn(n, 240, generator=generator)).relu() for n in (5, 5)]


def test_correlation_is_pearsons(rows):
    """Against NumPy, pair by pair."""
    assert torch.allclose(pairs(*rows), naive_correlation(*rows), atol=1e-6)


def test_mutual_information_is_that_of_the_counts(rows):
    """Against counting pairs of bins one by one, with the many equal zeros in one bin."""
    assert (rows[0] == 0).sum() > 300
    assert torch.allclose(pairs(*rows, cost="mutual_information", bins=6), naive_information(*rows, 6), atol=1e-6)


def test_l2_is_the_inner_product(rows):
    """So the best permutation is the one with the smallest distance, by trying all."""
    scores = pairs(*rows, cost="l2")
    best = min(itertools.permutations(range(5)), key=lambda p: float((rows[0] - rows[1][list(p)]).norm()))
    assert assign(scores).tolist() == list(best)


def test_correlation_does_not_see_scale_and_offset(rows):
    """Positive affine changes of a unit change nothing; a negative one changes the sign."""
    scaled = rows[1] * torch.tensor([3.0, 0.1, 7.0, 1.0, -2.0])[:, None] + torch.arange(5.0)[:, None]
    assert torch.allclose(pairs(rows[0], scaled), pairs(*rows) * torch.tensor([1, 1, 1, 1, -1]), atol=1e-5)


def test_mutual_information_of_a_unit_with_itself_is_the_logarithm_of_the_bins():
    """Without equal values all bins are equally full; any increasing map of the unit gives the same."""
    x = torch.randn(3, 800, generator=torch.Generator().manual_seed(0))
    for bins in (2, 8):
        assert pairs(x, x, cost="mutual_information", bins=bins).diagonal().tolist() == pytest.approx([log(bins)] * 3, abs=1e-9)
        assert pairs(x, x.exp() * 5 - 2, cost="mutual_information", bins=bins).diagonal().tolist() == pytest.approx([log(bins)] * 3, abs=1e-9)


def test_mutual_information_of_independent_units_is_its_bias():
    """About (bins − 1)² / 2n (Miller 1955), not zero."""
    generator = torch.Generator().manual_seed(0)
    n, bins = 4000, 6
    found = pairs(torch.randn(30, n, generator=generator), torch.randn(30, n, generator=generator), cost="mutual_information", bins=bins)
    assert float(found.mean()) == pytest.approx((bins - 1) ** 2 / (2 * n), rel=0.05)


@pytest.mark.parametrize("cost", COSTS)
def test_a_unit_that_never_responds_is_worth_nothing(rows, cost):
    """Zero and constant units: no NaN, no warning, 0 with every other (l2 sees what a constant is)."""
    x, y = rows
    x[0], x[1], y[2] = 0, 0.1, 0
    found = pairs(x, y, cost=cost)
    assert found.isfinite().all()
    assert not found[0].any()
    assert not found[:, 2].any()
    assert cost == "l2" or not found[1].any()


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(("name", "samples"), [("digits-mlp", 1024), ("digits-resnet", 512), ("digits-vit", 64), ("char-gpt", 8)])
def test_a_shuffled_copy_is_restored_bit_for_bit(name, samples, cost):
    """All groups at once, heads and what lies within them, dead units too."""
    problem, (a, _) = sample(name)
    done = align([a, shuffled(problem, a)], problem, cost=cost, samples=samples, bins=4)
    assert all(torch.equal(done.weights[1][k], a[k]) for k in a)
    assert done.weights[0] is a


def test_unaligned_models_come_closer_half_way():
    """On a pair trained from different starts: a lower loss between them, and units that respond more alike after each assignment."""
    problem, models = sample("digits-resnet")
    done = align(models, problem)

    def halfway(pair):
        return Evaluate(problem, pair, metrics=("loss",))(np.array([0.5, 0.5])).sum()

    assert halfway(done.weights) < 0.3 * halfway(models)
    (trace,) = done.trace
    assert len(trace) == 1 + len(symmetry.symmetry_of(problem).groups)
    assert list(trace) == sorted(trace)
    assert trace[0] < 0.1
    assert 0.3 < trace[-1] <= 1


@pytest.mark.parametrize("cost", COSTS)
def test_the_objective_of_a_copy_reaches_its_end(cost):
    """Correlation 1 and distance 0 with itself, but for dead units; information never falls."""
    problem, (a, _) = sample("digits-resnet")
    (trace,) = align([a, shuffled(problem, a)], problem, cost=cost, samples=256, bins=4).trace
    assert list(trace) == sorted(trace, reverse=cost == "l2")
    if cost != "mutual_information":
        assert trace[-1] == pytest.approx(1 if cost == "correlation" else 0, abs=1e-3 * trace[0] if cost == "l2" else 1e-4)


def test_what_cannot_be_read_is_matched_by_its_weights():
    """Given all others: a whole family of heads, or one group within it whose family is known."""
    problem, (a, _) = sample("digits-vit")
    found = symmetry.symmetry_of(problem)
    maps = symmetry.random(found, torch.Generator().manual_seed(4))
    b = symmetry.permuted(a, found, maps)
    scores = WeightScores(a, b, found, [n for n, _ in problem.network().named_parameters()])
    wanted = symmetry.inverse(found, maps)
    still = symmetry.identity(found)
    _, heads, keys, values, *_, hidden = found.groups
    for lost in ((heads, keys, values), (keys,), (hidden,)):
        start = {name: still[name] if name in lost else p for name, p in wanted.items()}
        _by_weights(scores, found, start, lost, {})
        assert all(torch.equal(start[name], p) for name, p in wanted.items())


def test_dead_units_are_said_to_be_matched_by_their_weights():
    """The reader is told how many; where all respond, nothing is said."""
    problem, (a, _) = sample("digits-mlp")
    dead = {k: v.clone() for k, v in a.items()}
    dead["layers.0.bias"][:5] = -1e3
    assert (
        align([dead, shuffled(problem, dead)], problem).notes[0].startswith("Units that never respond were matched among themselves by their weights")
    )
    problem, models = sample("digits-resnet")
    assert align(models, problem, samples=64).notes == ()


def test_three_models_are_each_matched_to_the_first():
    """One trace for each that was moved, in the order given."""
    problem, (a, b) = sample("digits-mlp")
    together = align([a, b, shuffled(problem, a)], problem)
    assert all(torch.equal(together.weights[2][k], a[k]) for k in a)
    alone = align([a, b], problem)
    assert all(torch.equal(together.weights[1][k], alone.weights[1][k]) for k in a)
    assert [len(t) for t in together.trace] == [3, 3]
    assert together.trace[0] == alone.trace[0]
