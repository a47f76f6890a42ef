"""Ingredients of soups: the greedy path, leave one out, Shapley values, against slower twins and by hand."""

from itertools import permutations

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.stats.soup_analysis import (
    ROUND,
    best_single,
    drawn_shapley,
    leave_one_out,
    permuted,
    rounds,
    row_of,
    sampled_shapley,
    shapley,
    singles,
    subsets,
    walk,
)

BLOCKS = 32


def measured(coords, value, seed=0):
    """Points whose loss and error are `value` of the soup, plus the same noise of the samples everywhere."""
    noise = np.random.default_rng(seed).normal(size=BLOCKS) * 0.01
    noise -= noise.mean()
    sums = np.array([value(row) for row in coords])[:, None] + noise
    return Points(np.asarray(coords, dtype=float), np.stack([sums, sums], axis=1), np.ones(BLOCKS))


def game(models, seed=0):
    """A random value for every soup."""
    table = dict(zip((row.tobytes() for row in subsets(models)), np.random.default_rng(seed).random(2**models - 1), strict=True))
    return lambda row: table[np.asarray(row, dtype=float).tobytes()]


def run_greedy(models, value, rule="at_least"):
    """What the sampler asks for until it is satisfied."""
    ask = registry.find("sample", "greedy")
    done = np.empty((0, models))
    while len(todo := ask(measured(done, value) if len(done) else Points(done, np.empty((0, 2, BLOCKS)), np.ones(BLOCKS)), 1, rule=rule)):
        done = np.concatenate([done, todo])
    return measured(done, value)


@pytest.mark.parametrize("rule", ["at_least", "better"])
@pytest.mark.parametrize("seed", range(4))
def test_the_greedy_soup_is_that_of_a_plain_loop(seed, rule):
    """Sort by value, try each, keep it when the soup does not get worse; the sampler measured just what that needs."""
    value = game(5, seed)
    points = run_greedy(5, value, rule)
    order = sorted(range(5), key=lambda k: value(singles(5)[k]))
    soup, kept = singles(5)[order[0]], [order[0]]
    for k in order[1:]:
        new = soup + singles(5)[k]
        if value(new) <= value(soup):
            soup, kept = new, [*kept, k]
    assert list(walk(points, rule=rule).members) == kept
    assert len(points) == 9
    assert best_single(points) == order[0]


def test_among_models_of_equal_error_the_best_alone_has_the_lowest_loss():
    """By the loss itself, a tie goes to the first."""
    points = measured(singles(3), lambda row: 1.0)
    points.values[:, 0] += np.array([3.0, 1.0, 2.0])[:, None]
    assert best_single(points) == 1
    assert best_single(measured(singles(3), lambda row: 1.0)) == 0


def test_an_equal_candidate_is_kept_or_not_as_the_rule_says():
    """All soups are equally good."""
    points = run_greedy(3, lambda row: 1.0)
    assert walk(points).members == (0, 1, 2)
    assert walk(run_greedy(3, lambda row: 1.0, "better"), rule="better").members == (0,)


def test_a_soup_that_diverged_is_not_kept():
    """Nor does a model without a finite loss come first."""
    points = run_greedy(3, lambda row: np.nan if row[1] else row.sum())
    assert walk(points).members == (0,)
    assert [s.model for s in walk(points).steps] == [0, 2, 1]


@pytest.mark.parametrize("seed", range(3))
def test_exact_shapley_values_are_the_mean_over_all_orders(seed):
    """Against all 24 orders of four models; they sum to what the soup of all is better by than the mean of the models alone."""
    value = game(4, seed)
    found = [e.value for e in shapley(measured(subsets(4), value))]
    empty = np.mean([value(row) for row in singles(4)])
    twin = np.zeros(4)
    for order in permutations(range(4)):
        before, soup = empty, np.zeros(4)
        for k in order:
            soup[k] = 1
            twin[k] += (before - value(soup)) / 24
            before = value(soup)
    assert found == pytest.approx(twin)
    assert sum(found) == pytest.approx(empty - value(np.ones(4)))


def test_sampled_shapley_values_cover_the_exact_ones():
    """Each within the width of its interval, which is not empty."""
    value = game(5, 3)
    ask = registry.find("sample", "subsets")
    empty = Points(np.empty((0, 5)), np.empty((0, 2, BLOCKS)), np.ones(BLOCKS))
    points = measured(ask(empty, 10_000, which="permutations", count=200, seed=1), value)
    exact = shapley(measured(subsets(5), value))
    sampled = sampled_shapley(points, 200, 1)
    assert all(abs(s.value - e.value) < s.high - s.low for s, e in zip(sampled, exact, strict=True))
    assert all(0 < s.high - s.low < 0.3 for s in sampled)


def test_values_from_random_orders_are_unbiased():
    """The mean over many seeds of four orders each is the exact value, within four standard errors of that mean; their intervals hold it as often as they say."""
    value = game(6, 5)
    everything = measured(subsets(6), value)
    exact = np.array([e.value for e in shapley(everything)])
    found = [drawn_shapley(everything, 2 * ROUND, seed) for seed in range(200)]
    values = np.array([[e.value for e in one.estimates] for one in found])
    assert (np.abs(values.mean(axis=0) - exact) < 4 * values.std(axis=0) / np.sqrt(200)).all()
    held = np.mean([[e.low <= x <= e.high for e, x in zip(one.estimates, exact, strict=True)] for one in found])
    assert held > 0.9


def test_orders_are_drawn_until_they_add_less_than_the_samples_do():
    """Rounds double up to the budget; one that is not measured whole does not count; a game without order needs the first round alone."""
    assert rounds(20) == [4, 8, 16, 20]
    points = measured(np.unique(np.concatenate([permuted(6, 8, 0), singles(6)]), axis=0), game(6, 1))
    assert drawn_shapley(points, 20, 0).orders == 8
    assert not drawn_shapley(points, 20, 0).enough()
    assert drawn_shapley(points, 20, 0).enough(within=10.0)
    additive = measured(subsets(6), lambda row: float(row @ np.arange(6)))
    assert additive.values.std() > 0
    assert drawn_shapley(additive, 4, 0).orders == 4


def test_the_greedy_soup_of_forty_asks_for_less_than_eighty():
    """Every model alone, and one candidate for each but the best: nothing more."""
    value = lambda row: float((row / row.sum()) @ np.linspace(0, 1, 40))  # noqa: E731
    assert len(run_greedy(40, value)) == 40 + 39


def test_leaving_one_out_compares_with_the_soup_of_all():
    """A model that harms the soup has a negative value; its noise is paired away."""
    points = measured([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]], lambda row: {3: 0.5, 2: 0.6}[int(sum(row))] - (0.3 if row[2] == 0 else 0))
    found = leave_one_out(points)
    assert [e.value for e in found] == pytest.approx([0.1, 0.1, -0.2])
    assert found[0].high - found[0].low < 1e-9


def test_what_is_not_measured_has_no_value():
    """None, and no number made up."""
    points = measured(singles(3), lambda row: 0.5)
    assert shapley(points) is None
    assert leave_one_out(points) is None
    assert sampled_shapley(points, 4, 0) is None
    assert row_of(points, [1, 1, 0]) is None
    assert walk(points).wanted.tolist() == [1, 1, 0]


def test_too_many_models_for_all_subsets_are_refused():
    """With what to do instead."""
    ask = registry.find("sample", "subsets")
    with pytest.raises(Refused, match="permutations"):
        ask(Points(np.empty((0, 13)), np.empty((0, 2, 4)), np.ones(4)), 1, which="all")


def test_a_mixture_divides_by_the_sum_and_refuses_nothing():
    """Weights 2 and 6 are a quarter and three; weights that cancel are no soup."""
    place = registry.find("chart", "mixture")
    assert place(np.array([[2.0, 6.0, 0.0]]), np.eye(3)).tolist() == [[0.25, 0.75, 0.0]]
    with pytest.raises(Refused, match="sum to zero"):
        place(np.array([[1.0, -1.0]]), np.eye(2))
