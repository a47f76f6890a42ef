"""Weight matching: against brute force, on networks with heads, streams and shortcuts, and step by step."""

from itertools import permutations

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.methods.align.weight_matching import align
from explorer.symmetry.assignment import Scores, WeightScores, descend
from tests.methods.align import sample

FAMILIES = ["digits-mlp", "digits-resnet", "digits-vit", "char-gpt"]


def parameters(problem):
    return [n for n, _ in problem.network().named_parameters()]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_planted_permutation_is_found_exactly(name):
    """Also with attention heads and the order within each, residual streams, and batch norm: every tensor comes back bit for bit."""
    problem, (a, _) = sample(name)
    found = symmetry.symmetry_of(problem)
    shuffled = symmetry.permuted(a, found, symmetry.random(found, torch.Generator().manual_seed(11)))
    done = align([a, shuffled], problem, restarts=1)
    assert all(torch.equal(done.weights[1][k], a[k]) for k in a)
    assert done.trace[0][0] > 1
    assert done.trace[0][-1] < 1e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_every_step_comes_nearer_and_the_trace_is_the_distance(name):
    """The distance falls step by step, and its last value is what the weights give."""
    problem, (a, b) = sample(name)
    done = align([a, b], problem, restarts=1)
    trace = np.array(done.trace[0])
    assert (np.diff(trace) < 0).all()
    names = [n for n in parameters(problem) if n in symmetry.symmetry_of(problem).axes]
    direct = sum((a[n] - done.weights[1][n]).double().square().sum() for n in names) ** 0.5
    assert trace[-1] == pytest.approx(float(direct), rel=1e-6)


def test_the_order_after_every_step_is_the_one_that_was_measured():
    """Heads and the orders within them included: each step's maps give the model at the distance that the trace has for it, and the last are the result."""
    problem, (a, b) = sample("digits-vit")
    done = align([a, b], problem, restarts=2)
    scores = WeightScores(a, b, symmetry.symmetry_of(problem), parameters(problem))
    (steps,), (trace,) = done.steps, done.trace
    assert [scores.distance(maps) for maps in steps] == pytest.approx(list(trace), rel=1e-4)
    assert all(torch.equal(steps[-1][g], p) for g, p in done.maps[1].items())


@pytest.mark.parametrize("name", FAMILIES)
def test_the_maps_are_what_was_done_to_the_weights(name):
    """weights[1] is models[1] permuted by maps[1], and models[0] is as it was."""
    problem, models = sample(name)
    done = align(models, problem, restarts=1)
    again = symmetry.permuted(models[1], symmetry.symmetry_of(problem), done.maps[1])
    assert all(torch.equal(again[k], done.weights[1][k]) for k in again)
    assert all(torch.equal(done.weights[0][k], models[0][k]) for k in again)


def test_the_scores_are_the_inner_products_of_the_permuted_weights():
    """A family's score of any permutation differs from ⟨A, πB⟩ by a constant: heads and the orders within them included."""
    problem, (a, b) = sample("digits-vit")
    found = symmetry.symmetry_of(problem)
    scores = WeightScores(a, b, found, parameters(problem))
    generator = torch.Generator().manual_seed(0)
    held = symmetry.random(found, generator)
    for name in (n for n, g in found.groups.items() if g.within is None and not scores.twice(n)):
        here = scores(name, held)
        moved = [{**held, **{g: p for g, p in symmetry.random(found, generator).items() if g in (name, *here.inner)}} for _ in range(3)]
        differences = [scores.total(m) - here.value(found, name, m) for m in moved]
        assert differences == pytest.approx([differences[0]] * 3, rel=1e-5, abs=1e-3)


def test_the_best_of_a_family_is_the_best_of_all():
    """3 outer units with 3 inner ones each, two inner groups: held to every one of the possibilities."""
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    scores = Scores(draw(3, 3), {"p": draw(3, 3, 3, 3), "q": draw(3, 3, 2, 2)})
    best = scores.best("outer")

    def value(outer):
        total = 0.0
        for i, j in enumerate(outer):
            total += scores.outer[i, j]
            for inner in scores.inner.values():
                total += max(sum(inner[i, j, k, m] for k, m in enumerate(order)) for order in permutations(range(inner.shape[-1])))
        return float(total)

    every = {outer: value(outer) for outer in permutations(range(3))}
    assert tuple(best["outer"].tolist()) == max(every, key=every.__getitem__)

    class Three:
        """As much of a symmetry as `value` asks for."""

    assert scores.value(Three(), "outer", best) == pytest.approx(max(every.values()))


def test_restarts_keep_the_lowest_midpoint(tiny):
    """More descents never give a higher loss at the midpoint on the samples they are chosen by."""
    from explorer.evaluate.evaluator import Evaluate

    models = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]

    def midpoint(restarts):
        done = align(models, tiny.problem, restarts=restarts)
        return Evaluate(tiny.problem, done.weights, split="train", samples=512, metrics=("loss",))(np.array([0.5, 0.5])).sum()

    losses = [midpoint(n) for n in (1, 2, 8)]
    assert losses[0] >= losses[1] >= losses[2]


def test_an_unchanged_group_is_not_solved_again(tiny):
    """The scores of each family are asked for again only after a neighbour has moved: at most moves × neighbours + families times."""
    models = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    found = symmetry.symmetry_of(tiny.problem)
    asked = []

    class Counting(WeightScores):
        def __call__(self, name, maps, moving=None):
            asked.append(name)
            return super().__call__(name, maps, moving)

    scores = Counting(*models, found, parameters(tiny.problem))
    _, trace = descend(scores, found, symmetry.identity(found), np.random.default_rng(0))
    assert len(asked) == 1, "one hidden layer has no neighbour: one assignment, and no second to confirm it"
    assert len(trace) == 2


def test_several_models_are_each_matched_to_the_first():
    """The third model's permutation does not depend on the second's."""
    problem, (a, b) = sample("digits-mlp")
    together = align([a, b, a], problem, restarts=1)
    assert all(torch.equal(together.weights[2][k], a[k]) for k in a)
    alone = registry.find("align", "weight_matching")([a, b], problem, restarts=1)
    assert all(torch.equal(together.weights[1][k], alone.weights[1][k]) for k in a)
