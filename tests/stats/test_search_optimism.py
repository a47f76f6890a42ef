"""The optimism of a search, and the front, on numbers whose answer is known."""

import numpy as np
import pytest

from explorer.stats.search_optimism import front, optimism


def test_of_one_candidate_it_is_nothing():
    """Nothing was chosen."""
    sums = np.random.default_rng(0).random((1, 64))
    assert optimism(sums, np.ones(64)) == pytest.approx(0.0, abs=2e-3)


def test_equal_candidates_look_too_good_by_about_as_much_as_is_said():
    """K means of noise with one true value: the least is too low by what the largest of K normal numbers is above 0. The bootstrap draws its noise on top of that
    of the samples, so it finds a part of it, and never none; more candidates, more of it."""
    rng, blocks, rounds = np.random.default_rng(1), 200, 40
    said: dict[int, list[float]] = {4: [], 40: []}
    true: dict[int, list[float]] = {4: [], 40: []}
    for _ in range(rounds):
        for k in said:
            sums = rng.standard_normal((k, blocks))
            said[k].append(optimism(sums, np.ones(blocks)))
            true[k].append(-float(sums.mean(axis=1).min()))
    for k in said:
        assert 0.4 * np.mean(true[k]) < np.mean(said[k]) < 1.2 * np.mean(true[k])
    assert np.mean(said[40]) > np.mean(said[4])


def test_what_candidates_have_in_common_is_no_optimism():
    """Samples that are hard for all of them choose nothing: a clear winner is as good as it looks."""
    rng = np.random.default_rng(2)
    hard = 10 * rng.random(100)
    assert optimism(np.stack([hard, hard + 1.0, hard + 2.0]), np.ones(100)) == pytest.approx(0.0, abs=0.02)


def test_candidates_that_diverged_are_left_out():
    """Of nothing but these, nothing is known."""
    assert np.isnan(optimism(np.full((2, 8), np.nan), np.ones(8)))
    assert np.isfinite(optimism(np.stack([np.ones(8), np.full(8, np.inf)]), np.ones(8)))


def test_the_front_is_what_nothing_beats_in_both():
    """By rising size; a tie in one number is decided by the other, and what is not finite is on no front."""
    values = np.array([5.0, 3.0, 4.0, 1.0, 3.0, np.nan])
    sizes = np.array([0.0, 1.0, 2.0, 3.0, 0.5, 0.1])
    assert front(values, sizes) == [0, 4, 3]
