"""How alike models are, drawn."""

import numpy as np
import pytest

from explorer.figures.similarity import between, functions, table
from tests.figures.examples import ALIKE


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
    assert not len(functions({**ALIKE, "disagree": None}, ["a", "b"]).data[0].x)


def test_the_table_has_each_pair_once():
    """With the last layer's likeness."""
    columns = table(ALIKE, ["a", "b"])
    assert columns["models"] == ["a – b"]
    assert columns["debiased CKA, last layer"] == [0.4]
    assert columns["predictions that differ"] == ["10.0 % [8.0, 15.0]"]
    assert columns["cosine of weights"] == [0.5]
    assert "predictions that differ" not in table({**ALIKE, "disagree": None}, ["a", "b"])
