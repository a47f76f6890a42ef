"""Soups by trial on the validation split: greedy, and the grid of the robust soup."""

import itertools
from math import comb

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core.errors import Refused
from explorer.core.spec import Attack
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.fuse import adamerging, average, fisher, greedy_soup, learned_soup, regmean, robust_soup
from tests.methods.align import sample
from tests.methods.fuse import equal, near


@pytest.fixture(scope="module")
def tunes():
    """Fine-tunes of one parent: the greedy path takes some and leaves others."""
    return sample("digits-mlp-finetunes", 6)


@pytest.fixture
def models(tiny):
    """Two that were trained, and one that was not."""
    return [checkpoint_file.read(tiny.b).weights, checkpoint_file.read(tiny.a).weights, tiny.problem.network(seed=5).state_dict()]


def value(problem, weights, metric="error", attack=None):
    evaluate = Evaluate(problem, [weights], split="val", samples=256 if attack else 0, attack=attack)
    return (evaluate(np.ones(1)).sum(axis=1) / evaluate.counts.sum())[("loss", "error").index(metric)]


@pytest.mark.parametrize("metric", ["error", "loss"])
@pytest.mark.parametrize("rule", ["at_least", "better"])
def test_a_greedy_soup_is_that_of_the_plain_loop(tunes, metric, rule):
    """Sort, try, keep: with weights averaged and measured one soup after the other."""
    problem, models = tunes
    order = sorted(range(len(models)), key=lambda i: value(problem, models[i], metric))
    members, best = [order[0]], value(problem, models[order[0]], metric)
    for i in order[1:]:
        tried = value(problem, average.fuse([models[k] for k in [*members, i]], problem), metric)
        if tried < best or (tried == best and rule == "at_least"):
            members, best = [*members, i], tried
    found = greedy_soup.path(models, problem, metric=metric, rule=rule)
    assert list(found.members) == members
    assert [s.model for s in found.steps] == order
    assert 1 < len(members) < len(models)
    assert near(greedy_soup.fuse(models, problem, metric=metric, rule=rule), average.fuse([models[i] for i in sorted(members)], problem))


@pytest.mark.parametrize("metric", ["error", "loss"])
def test_it_is_never_worse_than_the_best_model_on_what_it_was_chosen_by(tunes, metric):
    """In whatever order the models come."""
    problem, models = tunes
    best = min(value(problem, m, metric) for m in models)
    for order in itertools.islice(itertools.permutations(models), 0, None, 120):
        assert value(problem, greedy_soup.fuse(list(order), problem, metric=metric), metric) <= best + 1e-7


def test_a_copy_is_kept_or_left_as_the_rule_says(tiny, models):
    """Equal values: `at_least` keeps, `better` leaves."""
    pair = [models[0], models[0]]
    assert greedy_soup.path(pair, tiny.problem).members == (0, 1)
    assert greedy_soup.path(pair, tiny.problem, rule="better").members == (0,)


def test_choosing_sees_the_validation_split_alone(tunes):
    """Other labels on the test split, same soup; other labels on the validation split, another one."""
    problem, models = tunes

    class Mislabelled(type(problem)):
        split_that_lies = "test"

        def split(self, name, most=None):
            batch = super().split(name, most)
            return type(batch)(batch.inputs, batch.targets.roll(1)) if name == self.split_that_lies else batch

    lying = Mislabelled(problem.spec)
    assert equal(greedy_soup.fuse(models, lying), greedy_soup.fuse(models, problem))
    lying.split_that_lies = "val"
    assert not equal(greedy_soup.fuse(models, lying), greedy_soup.fuse(models, problem))


def test_candidates_are_judged_with_statistics_of_their_own():
    """Batch norm: what a soup is told to be worth is what it is worth after recalibration, not with averaged statistics."""
    problem, models = sample("digits-resnet")
    found = greedy_soup.path(models, problem)
    evaluate = Evaluate(problem, models, split="val")
    recalibrated = evaluate(np.array([0.5, 0.5])).sum(axis=1) / evaluate.counts.sum()
    assert found.steps[1].value == pytest.approx(recalibrated[1])
    assert found.steps[1].value != pytest.approx(value(problem, average.fuse(models, problem)))


def test_progress_says_who_was_accepted(tunes):
    """One word for each model that was tried."""
    problem, models = tunes
    reported = []
    members = greedy_soup.path(models, problem, progress=lambda done, total, message: reported.append((done, total, message))).members
    assert {int(m.split()[1]) - 1 for _, _, m in reported if "accepted" in m} == set(members)
    assert sum("accepted" in m or "left out" in m for _, _, m in reported) == len(models)
    assert [d for d, _, _ in reported] == sorted(d for d, _, _ in reported)
    assert reported[-1][0] == reported[-1][1]


def test_broken_models_are_left_out_and_none_else_is_refused(tiny, models):
    """A NaN is never the best, and spoils every soup it is in."""
    broken = {n: torch.full_like(t, torch.nan) for n, t in models[1].items()}
    assert greedy_soup.path([broken, models[1]], tiny.problem).members == (1,)
    with pytest.raises(Refused, match="None of the models has a finite loss"):
        greedy_soup.fuse([broken, broken], tiny.problem)


@pytest.mark.parametrize(("n", "steps"), [(1, 3), (2, 5), (3, 4), (4, 2)])
def test_the_grid_is_every_multiple_on_the_simplex_once(n, steps):
    """Against all products; each model alone is among them."""
    grid = np.array(list(robust_soup.simplex_grid(n, steps)))
    known = [p for p in itertools.product(range(steps + 1), repeat=n) if sum(p) == steps]
    assert sorted(map(tuple, np.rint(grid * steps).astype(int))) == sorted(known)
    assert len(grid) == comb(steps + n - 1, n - 1)
    assert grid[0] == pytest.approx(np.eye(n)[0])


def test_a_robust_soup_is_the_best_of_all_mixtures_under_the_worst_threat(tiny, models):
    """A loop over mixtures made by averaging, each threat measured by itself."""
    threats = [None, Attack("linf", 0.05, 3), Attack("l2", 0.5, 3)]
    trio = models

    def worst(c):
        soup = average.fuse(trio, tiny.problem, weights=tuple(c))
        return max(
            value(tiny.problem, soup, attack=t) if t else Evaluate(tiny.problem, [soup], split="val", samples=256).alone(0)[1].sum() / 256
            for t in threats
        )

    found = robust_soup.fuse(trio, tiny.problem, linf=0.05, l2=0.5, attack_steps=3, steps=3)
    grid = list(robust_soup.simplex_grid(3, 3))
    values = [worst(c) for c in grid]
    assert min(values) < max(values)
    lowest = [average.fuse(trio, tiny.problem, weights=tuple(c)) for c, v in zip(grid, values, strict=True) if v == min(values)]
    assert any(near(found, soup) for soup in lowest)


def test_of_a_model_that_withstands_an_attack_and_one_that_does_not_the_threat_decides(tiny):
    """Without the attack the one is best, with it the other."""
    a = checkpoint_file.read(tiny.a).weights
    blind = {n: 0.0 * t for n, t in a.items()}  # says the same whatever it sees: no attack changes that
    assert equal(robust_soup.fuse([a, blind], tiny.problem, linf=0.0, l2=0.0, steps=1), a)
    assert near(robust_soup.fuse([a, blind], tiny.problem, clean=False, linf=2.0, l2=0.0, steps=1, metric="loss"), blind)


def test_the_descent_too_goes_by_the_worst_threat(tiny):
    """Plain inputs pull towards the one, a strong attack towards the other: the attack's loss is the higher one, and counts."""
    a = checkpoint_file.read(tiny.a).weights
    blind = {n: 0.0 * t for n, t in a.items()}
    options = {"search": "gradient", "l2": 0.0, "epochs": 30, "lr": 0.2}
    shares = [
        float(robust_soup.fuse([a, blind], tiny.problem, linf=linf, **options)["layers.0.bias"].norm() / a["layers.0.bias"].norm())
        for linf in (0.0, 2.0)
    ]
    assert shares[1] < 0.3 < 0.6 < shares[0]


@pytest.mark.parametrize(
    ("fuse", "options"),
    [
        (greedy_soup.fuse, {}),
        (robust_soup.fuse, {"steps": 1}),
        (robust_soup.fuse, {"search": "gradient", "epochs": 1}),
        (learned_soup.fuse, {"epochs": 1}),
        (adamerging.fuse, {"epochs": 1}),
        (fisher.fuse, {"samples": 4}),
        (regmean.fuse, {"samples": 4}),
    ],
)
def test_nothing_looks_at_the_test_split(tiny, models, fuse, options):
    """It is there to be reported on; AdaMerging adapts to its inputs when told so, and to nothing else of it."""

    class Locked(type(tiny.problem)):
        def split(self, name, most=None):
            assert name != "test", "the test split was opened"
            return super().split(name, most)

    locked = Locked(tiny.problem.spec)
    assert equal(fuse(models, locked, **options), fuse(models, tiny.problem, **options))
    if fuse is adamerging.fuse:
        with pytest.raises(AssertionError, match="was opened"):
            fuse(models, locked, split="test", **options)


def test_what_cannot_be_is_refused(tiny, models):
    """No threat, tokens under attack, a grid without end: each in a sentence that says what to do."""
    with pytest.raises(Refused, match="No threat is selected"):
        robust_soup.fuse(models, tiny.problem, clean=False, linf=0.0, l2=0.0)
    with pytest.raises(Refused, match="Use fewer steps, or search='gradient'"):
        robust_soup.fuse(models, tiny.problem, steps=1000)
    problem, texts = sample("char-gpt")
    with pytest.raises(Refused, match="Set both radii to 0"):
        robust_soup.fuse(texts, problem)
