"""Coefficients along a training, against their recursions and hand-made losses."""

import numpy as np
import pytest

from explorer.core.errors import Refused
from explorer.stats.averaging_coefficients import ema, lawa, swa, swad, valley

RAMP = np.arange(1.0, 9.0)


def test_swa_is_the_running_mean_written_out():
    """W̄ ← (k W̄ + W)/(k + 1) at the end of each cycle."""
    for skip, every in ((0, 1), (2, 1), (1, 3)):
        mean, k = 0.0, 0
        for i, w in enumerate(RAMP):
            if i >= skip and (i - skip + 1) % every == 0:
                mean, k = (k * mean + w) / (k + 1), k + 1
        assert swa(8, skip=skip, every=every) @ RAMP == pytest.approx(mean)


def test_swa_of_nothing_yet_is_the_last_snapshot():
    """While all are left out."""
    assert swa(3, skip=5).tolist() == [0, 0, 1]
    assert swa(3, skip=1, every=9).tolist() == [0, 0, 1]


@pytest.mark.parametrize("corrected", [True, False])
def test_ema_is_its_recursion(corrected):
    """From zero and divided by 1 − βⁿ, or from the first snapshot on."""
    mean = 0.0 if corrected else RAMP[0]
    for w in RAMP if corrected else RAMP[1:]:
        mean = 0.7 * mean + 0.3 * w
    assert ema(8, decay=0.7, corrected=corrected) @ RAMP == pytest.approx(mean / (1 - 0.7**8) if corrected else mean)


def test_the_limits_of_ema():
    """β = 0 is the last; β → 1 with correction is the mean, and at 1 exactly so."""
    assert ema(4, decay=0.0).tolist() == ema(4, decay=0.0, corrected=False).tolist() == [0, 0, 0, 1]
    assert ema(4, decay=1.0) == pytest.approx([0.25] * 4)
    assert ema(4, decay=1 - 1e-9) == pytest.approx([0.25] * 4)
    assert ema(1, decay=0.9, corrected=False).tolist() == [1]


def test_lawa_is_a_ring_of_the_latest():
    """k = 1 the last, k ≥ n SWA from the first on."""
    assert lawa(5, latest=2).tolist() == [0, 0, 0, 0.5, 0.5]
    assert lawa(5, latest=1).tolist() == [0, 0, 0, 0, 1]
    assert lawa(5, latest=9) == pytest.approx(swa(5))


@pytest.mark.parametrize(
    ("losses", "first", "last"),
    [
        ([5, 4, 3, 2, 1], 4, 4),  # it falls to the end: no valley yet
        ([5, 3, 1, 1.1, 1.1, 1.2, 1.1], 2, 6),  # a valley without another side
        ([5, 3, 1, 1.1, 1.2, 9, 9, 9, 9], 2, 4),  # mean of three 1.1, bound 1.43
        ([5, 3, 1, 1.1, 1.2, 9, 1, 9, 9, 9, 9], 2, 6),  # one high loss is no other side
        ([1, 2, 3, 9, 9, 9], 0, 1),  # bound 2.6: from the third on, both of [3, 9] lie above it
        ([5, 3, float("nan"), 1, 2, 2], 3, 5),  # NaN is nobody's minimum
    ],
)
def test_the_valley_of_hand_made_losses(losses, first, last):
    """N_s = 3, N_e = 2, r = 1.3."""
    assert valley(losses, converged=3, tolerance=2, ratio=1.3) == (first, last)


def test_swad_averages_the_valley_and_nothing_else():
    """A window of one is a single checkpoint; without a finite loss there is none."""
    assert swad([5, 3, 1, 1.1, 1.2, 9, 9, 9, 9], tolerance=2).tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0])
    assert swad([2, 1, 5, 5], converged=2, tolerance=1, ratio=0.9).tolist() == [0, 1, 0, 0]
    with pytest.raises(Refused, match="finite validation loss"):
        swad([float("nan")] * 3)
