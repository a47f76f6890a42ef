"""How alike models are, drawn."""

import numpy as np
import pytest

from explorer.figures.similarity import between, functions, table
from tests.figures.examples import ALIKE

INTERVALS = {name: [[[[1.0, 1.0], [0.3, 0.6]], [[0.3, 0.6], [1.0, 1.0]]]] * 2 for name in ("debiased", "cka", "procrustes")}


def test_layers_of_the_first_model_go_up_and_those_of_the_second_across():
    """Where nothing varies there is a gap."""
    heat = between(ALIKE).data[0]
    assert (list(heat.x), list(heat.y)) == (["conv", "&lt;b&gt;head"], ["conv", "&lt;b&gt;head"])
    assert heat.z[1][0] == pytest.approx(0.2)
    assert np.isnan(heat.z[0][1])


def test_functions_stand_over_weights():
    """One mark for each pair, in percent, with its interval; none without classes."""
    (marks,) = functions(ALIKE, ["a", "b"]).data
    assert (list(marks.x), list(marks.y)) == ([4.0], [10.0])
    assert marks.error_y.array[0] == pytest.approx(5.0)
    assert marks.error_y.arrayminus[0] == pytest.approx(2.0)
    assert list(marks.customdata) == [0]


def test_without_classes_what_layers_give_stands_over_weights():
    """1 − debiased CKA of the last layer, its interval turned with it; any of the others, of any layer, over the cosine."""
    (marks,) = functions({**ALIKE, "disagree": None, "intervals": INTERVALS}, ["a", "b"]).data
    assert list(marks.y) == pytest.approx([0.6])
    assert marks.error_y.array[0] == pytest.approx(0.1)
    assert marks.error_y.arrayminus[0] == pytest.approx(0.2)
    (marks,) = functions(ALIKE, ["a", "b"], up="cka", across="cosine", layer=0).data
    assert list(marks.x) == [0.5]
    assert list(marks.y) == pytest.approx([1 - ALIKE["cka"][0][0][1]])
    assert np.isnan(marks.error_y.array[0])


def test_the_table_has_each_pair_once():
    """With a layer's likeness, the last's unless another is named, and its interval where it was worked out."""
    columns = table({**ALIKE, "intervals": INTERVALS}, ["a", "b"])
    assert columns["models"] == ["a – b"]
    assert columns["debiased CKA, <b>head"] == ["0.40 [0.30, 0.60]"]
    assert table(ALIKE, ["a", "b"])["debiased CKA, <b>head"] == ["0.4"]
    assert "linear CKA, conv" in table(ALIKE, ["a", "b"], 0)
    assert columns["predictions that differ"] == ["10.0 % [8.0, 15.0]"]
    assert columns["cosine of weights"] == [0.5]
    assert "predictions that differ" not in table({**ALIKE, "disagree": None}, ["a", "b"])
