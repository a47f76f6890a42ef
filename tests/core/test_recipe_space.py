"""The space of a search: which numbers, between which ends."""

import pytest

from explorer.core.errors import Refused
from explorer.core.recipe_space import spaces


def test_one_number_for_all_models_unless_each_has_its_own():
    """Task arithmetic of a base and three models: one λ, tiled, or three."""
    (shared,), (own,) = spaces(["task_arithmetic"], 4), spaces(["task_arithmetic"], 4, each=True)
    assert shared.at([0.5]).kwargs() == {"coefficients": (0.5, 0.5, 0.5)}
    assert own.at([0.1, 0.2, 0.3]).kwargs() == {"coefficients": (0.1, 0.2, 0.3)}
    assert shared.start == pytest.approx((1 / 3,), abs=1e-4)


def test_numbers_over_depth_are_those_of_every_model_in_turn():
    """by_depth reads the values of the first model, then of the next."""
    (shared,), (own,) = spaces(["by_depth"], 3, layers=2), spaces(["by_depth"], 3, layers=2, each=True)
    assert shared.at([0.1, 0.9]).kwargs() == {"coefficients": (0.1, 0.9, 0.1, 0.9), "knots": 2}
    assert own.at([0.1, 0.9, 0.2, 0.8]).kwargs() == {"coefficients": (0.1, 0.9, 0.2, 0.8), "knots": 2}


def test_a_weighted_mean_is_searched_over_its_normalised_weights():
    """Without a base there is one weight for each model, and they sum to 1."""
    (space,) = spaces(["average"], 2)
    assert space.at([0.2, 0.6]).kwargs() == {"weights": (0.2, 0.6), "normalise": True}


def test_ranges_narrow_widen_and_hold():
    """For all methods, or for one; a single value is no axis."""
    ties, dare = spaces(["ties", "dare"], 3, ranges=["scale=1", "ties.density=0.1:0.2", "drop=0:0.5"])
    assert [(a.name, a.low, a.high) for a in ties.axes] == [("density", 0.1, 0.2)]
    assert [(a.name, a.low, a.high) for a in dare.axes] == [("drop", 0.0, 0.5)]
    assert ties.at(ties.start)["scale"] == 1.0


@pytest.mark.parametrize(
    ("methods", "ranges", "said"),
    [
        ([], (), "at least one merging method"),
        (["ties", "ties"], (), "named twice"),
        (["slerp"], (), "slerp takes 2 models"),
        (["ties"], ("sacle=0:1",), "no method of this search has a number 'sacle'"),
        (["ties"], ("density=0.9:0.1",), "name=low:high"),
        (["ties"], ("density",), "name=low:high"),
        (["ties"], ("density=0:2",), "lies in 0 … 1"),
    ],
)
def test_what_cannot_be_searched_is_refused(methods, ranges, said):
    """With a sentence that says what to do."""
    with pytest.raises(Refused, match=f"(?i){said}"):
        spaces(methods, 3, ranges=ranges)
