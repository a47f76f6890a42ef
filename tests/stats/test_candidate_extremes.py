"""Which places may be a picture's extremes: known answers, and the request for all samples there."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.points import Points
from explorer.stats.candidate_extremes import MOST, candidate_extremes, decided, deciding

BLOCKS = 64


def points(means, noise):
    """Sums over blocks of 4 samples each: (K,) means, (K, BLOCKS) noise that adds up to nothing."""
    noise = noise - noise.mean(axis=1, keepdims=True)
    coords = np.stack([np.linspace(0, 1, len(means)), np.zeros(len(means))], axis=1)
    return Points(coords, 4 * (np.asarray(means)[:, None] + noise)[:, None], np.full(BLOCKS, 4.0))


def test_what_all_places_share_does_not_blur_them():
    """Hard samples are hard everywhere: every value is unsure by 1, every difference is known to the last digit."""
    shared = np.tile(np.random.default_rng(0).standard_normal(BLOCKS), (5, 1))
    low, high = candidate_extremes(points([0.3, 0.1, 0.2, 0.9, 0.8], shared))
    assert low.tolist() == [1] and high.tolist() == [3]


def test_places_whose_differences_may_be_none_are_not_told_apart():
    """Independent noise of one: a difference of means is unsure by √(2/64) ≈ 0.18, and places further apart than 1.96 of these are told apart."""
    noise = np.random.default_rng(1).standard_normal((4, BLOCKS))
    low, high = candidate_extremes(points([0.0, 0.1, 1.0, 3.0], noise))
    assert low.tolist() == [0, 1] and high.tolist() == [3]


def test_what_diverged_is_no_candidate_and_many_are_cut():
    noise = np.zeros((2 * MOST, BLOCKS))
    flat = points(np.zeros(2 * MOST), noise)
    low, high = candidate_extremes(flat)
    assert len(low) == len(high) == MOST
    flat.values[:, 0, 0] = np.nan
    low, high = candidate_extremes(flat)
    assert not len(low) and not len(high)
    flat.values[3:6, 0, 0] = 0.0
    flat.values[4, 0, 1] = np.inf
    low, high = candidate_extremes(flat)
    assert set(low) == set(high) == {3, 5}


def test_the_wish_is_for_those_places_on_all_samples(tiny):
    field = tiny.field(samples=64, chart=registry.method("chart", "directions", {"extent": 1.0}))
    two = points([0.5, 0.1, 0.9], np.zeros((3, BLOCKS)))
    two = replace(two, values=np.repeat(two.values, 2, axis=1))
    run = deciding(field, two, "loss")
    assert run is not None
    assert run.field == replace(field, samples=0)
    assert run.sampler["at"] == (0.5, 0.0, 1.0, 0.0)
    assert decided(run, replace(two, coords=two.coords[:2], values=two.values[:2])) is None
    found = decided(run, two)
    assert found is not None
    assert found.coords[:, 0].tolist() == [0.5, 1.0]


@pytest.mark.parametrize("changes", [{"samples": 0}, {"samples": 64, "precision": "bfloat16"}])
def test_a_picture_on_all_samples_and_a_preview_want_none(tiny, changes):
    two = points([0.5, 0.1], np.zeros((2, BLOCKS)))
    assert deciding(tiny.field(**changes), replace(two, values=np.repeat(two.values, 2, axis=1)), "loss") is None
