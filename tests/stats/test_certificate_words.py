"""How wrong a picture may be, in words."""

import numpy as np

from explorer.stats.certificate_words import certified
from explorer.stats.intervals import Estimate
from explorer.stats.sparse_grid_surrogate import Certificate


def made(**changes):
    numbers = {
        "rms": Estimate(0.004, 0.003, 0.006),
        "quantile": 0.01,
        "quantile_upper": 0.02,
        "largest": 0.03,
        "unseen": 0.046,
        "count": 64,
        "nan_mismatches": 0,
    }
    return Certificate(**{**numbers, "relative": True, "source": "held out", **changes})


def test_a_jury_is_told_with_interval_quantile_and_what_it_cannot_see():
    """Every number of the certificate, in percent of the loss."""
    text = certified(made(), 417)
    for part in ("417 measured", "64 held-out", "0.40 % rms", "[0.30, 0.60]", "less than 2 %", "above 3 %", "less than 4.6 % of the picture"):
        assert part in text
    assert "diverged" not in text
    assert "2 held-out points" in certified(made(nan_mismatches=2), 417)


def test_differences_of_an_error_rate_carry_its_own_unit():
    """They are not relative."""
    assert "0.40 % rms" in certified(made(relative=False), 9, scale=100.0, unit="%")
    assert "0.0040 nat rms" in certified(made(relative=False), 9, unit="nat")


def test_what_is_not_known_is_not_said():
    """No quantile from few points, nothing without any, and no held-out points where there was none."""
    assert "95 of 100" not in certified(made(quantile_upper=np.inf, count=20), 9)
    assert "not known yet" in certified(None, 9)
    assert "certified" not in certified(made(source="coarser"), 289)
    assert certified(made(source="complete"), 4225).startswith("Every node is measured")
