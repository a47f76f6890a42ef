"""Numbers are shown with the digits that their intervals support, and no others."""

import math

import pytest

from explorer.core import significant_digits
from explorer.stats.intervals import Estimate


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ((0.7498, 0.7151, 0.7859), "0.750 [0.715, 0.786]"),
        ((2.31, 1.0, 4.0), "2.3 [1.0, 4.0]"),
        ((12345.6, 12200.0, 12500.0), "12,350 [12,200, 12,500]"),
        ((0.0012, 0.0, 0.02), "0.001 [0.000, 0.020]"),
        ((0.00123456, 0.00123, 0.00124), "0.0012346 [0.0012300, 0.0012400]"),
        ((3e-9, 2e-9, 4e-9), "3.0e−09 [2.0e−09, 4.0e−09]"),
        ((-0.5, -0.75, -0.25), "−0.50 [−0.75, −0.25]"),
        ((-0.001, -0.3, 0.3), "0.00 [−0.30, 0.30]"),
        ((0.0, 0.0, 0.0), "0 [0, 0]"),
        ((0.25, 0.25, 0.25), "0.25 [0.25, 0.25]"),
        ((0.5, 0.4, math.inf), "0.5 [0.4, ∞]"),
        ((math.nan, 0.4, 0.6), "diverged"),
        ((math.inf, 0.4, math.inf), "diverged"),
    ],
)
def test_an_interval_decides_the_digits(given: tuple[float, float, float], shown: str) -> None:
    """Two significant digits of the half-width, in the number and in both ends; what has no width is written as it is."""
    assert significant_digits.within(*given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [((0.014, 0.002, 0.026), "+0.014 [+0.002, +0.026]"), ((0.0, 0.0, 0.0), "0 [0, 0]"), ((-0.0001, -0.02, 0.03), "0.000 [−0.020, +0.030]")],
)
def test_a_difference_shows_its_sign_unless_it_is_nought(given: tuple[float, float, float], shown: str) -> None:
    """No +0.00 and no −0.00: nought has no direction."""
    assert significant_digits.within(*given, signed=True) == shown


def test_an_estimate_tells_itself_in_its_unit() -> None:
    """Scaled first and rounded then, the unit between the number and its interval."""
    assert Estimate(0.0312, 0.0201, 0.0422).formatted(scale=100, unit="points") == "3.1 points [2.0, 4.2]"


def test_a_number_alone_keeps_four_figures() -> None:
    assert significant_digits.number(-1.23456) == "−1.235"
    assert significant_digits.number(-0.0) == "0"
