"""Reliability and the expected calibration error, where the truth is known."""

import numpy as np
import pytest

from explorer.stats.calibration import BINS, difference, error, gaps, reliability


def drawn(n, gap, seed):
    """Predictions with confidences between ½ and 1 that are right `gap` less often than they are sure."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5 + gap, 1, n)
    return confidence, rng.random(n) < confidence - gap, np.arange(n) % 256


def test_of_two_bins_by_hand():
    """Four predictions of 0.9, two right; one of 0.1, wrong: (4·0.4 + 0.1)/5."""
    found = reliability(np.array([0.9, 0.9, 0.9, 0.9, 0.1]), np.array([True, True, False, False, False]), np.arange(5))
    assert found.ece.value == pytest.approx(1.7 / 5)
    assert found.over == pytest.approx(1.7 / 5)
    assert found.count.sum() == 5
    known = found.count > 0
    assert found.confidence[known] == pytest.approx([0.1, 0.9])
    assert found.accuracy[known].tolist() == [0.0, 0.5]
    assert np.isnan(found.accuracy[~known]).all()
    assert len(found.count) == BINS


def test_the_interval_holds_the_true_error_and_the_plain_number_is_too_high_by_chance():
    """Two hundred samples of a model that is too sure by 0.1: covered as often as the module says, where the uncorrected mean is above 0.1."""
    found = [reliability(*drawn(500, 0.1, seed)) for seed in range(200)]
    covered = np.mean([f.ece.low <= 0.1 <= f.ece.high for f in found])
    assert covered >= 0.85
    assert np.mean([f.ece.value for f in found]) > 0.1


def test_a_calibrated_model_shows_what_chance_says():
    """Its error stays below the bound in about 95 of 100 samples, and has the mean that chance has."""
    found = [reliability(*drawn(400, 0.0, seed)) for seed in range(100)]
    assert 0.88 <= np.mean([f.ece.value <= f.chance[1] for f in found]) <= 1.0
    assert np.mean([f.ece.value for f in found]) == pytest.approx(np.mean([f.chance[0] for f in found]), rel=0.05)


def test_wilsons_interval_by_hand():
    """All ten of ten: from 10/(10 + z²) to 1."""
    found = reliability(np.full(10, 0.97), np.ones(10, dtype=bool), np.arange(10))
    assert found.low[-1] == pytest.approx(10 / (10 + 1.959964**2))
    assert found.high[-1] == pytest.approx(1.0)


def test_the_parts_in_blocks_by_hand():
    """Four samples, confidences 0.9 and 0.6: |0.9 + 0.9 − 1| + |0.6 + 0.6 − 2| over 4; who is sure and right errs by nothing."""
    confidence, right, block, counts = (
        np.array([0.9, 0.9, 0.6, 0.6]),
        np.array([True, False, True, True]),
        np.array([0, 1, 0, 1]),
        np.array([2.0, 2.0]),
    )
    found = gaps(confidence, right, block, 2)
    assert found.shape == (BINS, 2)
    assert error(found, counts).value == pytest.approx((0.8 + 0.8) / 4)
    sure = gaps(np.ones(4), np.ones(4, dtype=bool), block, 2)
    assert error(sure, counts).value == 0
    assert difference(found, sure, counts).value == pytest.approx(0.4)
    assert difference(sure, sure, counts) == difference(found, found, counts)


def test_the_error_is_that_of_the_diagram():
    """One number for one question, whichever page asks."""
    confidence, right, block = drawn(500, 0.1, 0)
    parts = gaps(confidence, right, block, 256)
    assert error(parts, np.bincount(block).astype(float)) == reliability(confidence, right, block).ece


def test_the_interval_of_a_difference_holds_the_true_difference():
    """Two models that say the same, one too sure by 0.1 and one by 0.05."""
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        chance = rng.uniform(0.4, 0.9, 500)
        right, block = rng.random(500) < chance, np.arange(500) % 256
        one, other = (gaps(chance + g, right, block, 256) for g in (0.1, 0.05))
        found = difference(one, other, np.bincount(block).astype(float))
        covered += found.low <= 0.05 <= found.high
    assert covered >= 90


def test_a_confidence_that_is_no_number_makes_the_error_none():
    """Never a number repaired."""
    parts = gaps(np.array([np.nan, 0.9]), np.array([True, True]), np.array([0, 1]), 2)
    assert np.isnan(error(parts, np.ones(2)).value)
