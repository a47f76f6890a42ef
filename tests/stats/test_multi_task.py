"""Several tasks: ratios whose value is known and whose intervals cover, ownership, and the front."""

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.stats.intervals import Estimate
from explorer.stats.multi_task import averaged, owner, ratio, table


def point(sums, each=4.0):
    """One point of one metric from its sums over blocks."""
    sums = np.asarray(sums, dtype=np.float64)
    return Points(np.ones((1, 1)), sums[None, None], np.full(len(sums), each))


def test_what_is_left_is_the_ratio_of_right_answers():
    """Half as many right in every block: one half, as surely as it can be; the same model: all of it."""
    full = point([4, 4, 2, 4] * 16)
    half = point([2, 2, 1, 2] * 16)
    found = ratio(half, full)
    assert found.value == 0.5
    assert found.high - found.low < 1e-6
    assert ratio(full, full).value == 1.0
    assert np.isnan(ratio(half, point([0, 0, 0, 0])).value)


def test_the_interval_of_a_ratio_covers():
    """Of correlated right answers with a true ratio of 0.8: within 2 % of 95 % in 600 rounds."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(600):
        own = rng.random((128, 4)) < 0.9
        merged = own & (rng.random((128, 4)) < 0.8)
        found = ratio(point(merged.sum(axis=1)), point(own.sum(axis=1)))
        hits += found.low <= 0.8 <= found.high
    assert 0.93 <= hits / 600 <= 0.985


def test_the_mean_of_independent_estimates():
    """n intervals of one width: the mean, √n times as narrow."""
    found = averaged([Estimate(v, v - 2, v + 4) for v in (1.0, 2.0, 3.0, 4.0)])
    assert (found.value, found.low, found.high) == pytest.approx((2.5, 1.5, 4.5))


def test_a_task_belongs_to_the_ingredient_of_its_name_else_to_the_best():
    """What diverged owns nothing."""
    points = [point([1.0] * 4), point([0.5] * 4), point([np.nan] * 4)]
    assert owner(["base", "x", "y"], "y", points) == 2
    assert owner(["base", "x", "y"], "z", points) == 1


def test_the_table_and_its_front():
    """Two tasks, their own models, and two merges of which one is beaten: by hand."""
    wrong = {"x": [4, 0, 2, 1, 2], "y": [4, 2, 0, 1, 2]}
    tasks = {name: [point([w] * 64) for w in column] for name, column in wrong.items()}
    found = table(["base", "x", "y", "good", "poor"], tasks, ingredients=3, counted=True)
    assert found.own == (1, 2)
    assert [e.value for e in found.value[3]] == [0.75, 0.75]
    assert [e.value for e in found.left[3]] == [0.75, 0.75]
    assert [e.value for e in found.apart[4]] == [-0.5, -0.5]
    assert found.average[3].value == 0.75
    assert found.front() == [1, 2, 3]


def test_under_a_loss_differences_take_the_place_of_shares():
    """Nothing is left of a loss; the front is of the lowest."""
    tasks = {"x": [point([4.0] * 8), point([8.0] * 8)], "y": [point([8.0] * 8), point([6.0] * 8)]}
    found = table(["x", "y"], tasks, ingredients=2, counted=False)
    assert found.average[1].value == pytest.approx((1.0 + 0.0) / 2)
    assert np.isnan(found.left[0][0].value)
    assert found.front() == [0, 1]
