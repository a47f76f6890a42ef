"""A measured line in words: sentences that follow from the numbers."""

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.stats import line_words
from tests.figures.test_line import FIELD, points


def test_without_points_the_words_say_so():
    """The page has words before the first point is there."""
    nothing = Points(np.empty((0, 1)), np.empty((0, 2, 64)), np.ones(64))
    assert "not measured yet" in line_words.explain(FIELD, nothing, "loss")


@pytest.mark.parametrize(
    ("rise", "noise", "words"),
    [
        (0.5, 0.1, "**A barrier**: the interval excludes zero."),
        (0.05, 0.01, "It is **small**: 5% of the loss at the ends"),
        (0.0001, 0.5, "**Open**: on"),
        (0.0001, 0.5, "would be seen in 80 % of cases"),
        (-0.2, 0.0, "**Connected**: with 97.5 % confidence"),
        (0.01, 0.001, "There is a rise, but a negligible one."),
    ],
)
def test_the_words_follow_from_the_numbers(rise, noise, words):
    """High, small, within the noise, none, negligible: each has its sentence."""
    assert words in line_words.explain(FIELD, points(rise, noise), "loss")


def test_a_gap_is_told():
    """A diverged point makes the height a lower bound, and the text says so."""
    holed = points(0.5)
    holed.values[1] = np.nan
    assert "1 points have no finite loss" in line_words.explain(FIELD, holed, "loss")
