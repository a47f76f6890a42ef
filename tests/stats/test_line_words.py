"""A measured line in words: sentences that follow from the numbers."""

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.points import Points
from explorer.stats import line_words
from explorer.stats.hidden_peaks import hidden
from tests.contracts.test_sample import CURVES, measured
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
        (0.0001, 0.5, "would be detected in 80 % of cases"),
        (-0.2, 0.0, "**Connected**: with 97.5 % confidence"),
        (0.01, 0.001, "There is one, and it is negligible."),
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


@pytest.mark.parametrize(
    ("rise", "budget", "words"),
    [
        (
            0.5,
            5,
            "**Sampling stopped at its budget of 5 points, before they resolved the path**: between them it may be higher by an estimated 0.062 nat",
        ),
        (0.5, 99, "Between the 5 measured points the path may be higher by an estimated 0.062 nat, more than the sampling error of"),
        (-0.2, 99, "Between the 5 measured points the path rises no higher, by estimate."),
    ],
)
def test_what_the_points_cannot_show_is_told_beside_what_they_show(rise, budget, words):
    """The height is one at measured points; by how much the path may be higher is a number of its own, and so is the width of what could hide."""
    sampler = registry.method("sample", "adaptive", {"budget": budget})
    said = line_words.explain(FIELD, points(rise), "loss", sampler=sampler)
    assert words in said
    assert "at the measured points" in said.lower() or rise < 0
    assert f"A peak of {0.5 if rise > 0 else 0.012} nat that is narrower than {0.111 if rise > 0 else 0.25} in t could still hide there." in said


def test_a_finer_look_leaves_less_to_hide():
    """Twice the points, half the gap: half the width, and a sixteenth of what the parabola misses at most."""
    few, many = (hidden(measured(np.linspace(0, 1, n)[:, None], CURVES["barrier"])) for n in (9, 17))
    assert few is not None
    assert many is not None
    assert many.width == pytest.approx(few.width / 2)
    assert many.error == pytest.approx(few.error / 4)
    assert many.above < few.above / 3
