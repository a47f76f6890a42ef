"""What Compare says first, and what Train's plane writes beside its marks."""

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.figures.plane import Marker
from explorer.ui.compare.table import INGREDIENT, REFERENCE, Candidate, against_best
from explorer.ui.train.plane import together

BLOCKS = 64


def candidate(name, errors, *, val, kind=""):
    """A model with so many wrong of ten in each block of the test split, and a validation error."""
    counts = np.full(BLOCKS, 10.0)
    test = np.stack([np.asarray(errors, float) / 5, np.broadcast_to(np.asarray(errors, float), BLOCKS)])
    chosen = np.full((1, 2, BLOCKS), 10.0 * val)
    return Candidate(name, kind, Points(np.ones((1, 1)), chosen, counts), Points(np.ones((1, 1)), test[None], counts))


ALONE = np.arange(BLOCKS) % 4  # 15 % wrong
ingredients = [candidate("good", ALONE, val=0.15, kind=INGREDIENT), candidate("bad", ALONE + 3, val=0.45, kind=INGREDIENT)]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (np.maximum(ALONE - 1, 0), "Take **soup**: it is **better** than good"),
        (ALONE + 2, "Take **good** alone: the best merged model, soup, is **worse**"),
        (np.roll(ALONE, 1), "no better or worse than chance explains"),
    ],
)
def test_the_answer_is_that_of_the_paired_interval_on_the_test_split(errors, said):
    """Better, worse or neither: chosen on the validation split, whoever else is measured, and never the ensemble."""
    merged = [candidate("soup", errors, val=0.1), candidate("worse", ALONE + 4, val=0.6), candidate("all", ALONE * 0, val=0.0, kind=REFERENCE)]
    found = against_best([*ingredients, *merged])
    assert found is not None
    assert found.best.name == "good"
    assert found.chosen().name == "soup"
    assert said in found.says()
    assert [bar.name for bar in found.rows() if bar.strong] == ["soup"]
    assert {bar.name for bar in found.rows()} == {"soup", "worse", "all", "bad"}


def test_nothing_is_said_before_an_ingredient_is_measured():
    """There is nothing to compare with."""
    assert against_best([candidate("soup", ALONE, val=0.1)]) is None


def test_marks_that_stand_on_one_another_share_a_label():
    """Those nearer than asked to a mark are named with it, in their order; the others stay as they are."""
    marks = [Marker("last", 0.0, 0.0), Marker("SWA", 3.0, 0.0), Marker("EMA", 3.1, 0.1), Marker("LAWA", 0.0, 0.2)]
    assert [m.name for m in together(marks, 0.5)] == ["last, LAWA", "SWA, EMA"]
    assert together(marks, 0.01) == marks
