"""Pictures of an alignment: what stands where."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.figures import matching
from explorer.symmetry.alignment_report import Matched, TensorSimilarity, UnitGroup


@pytest.fixture
def found():
    p = np.array([2, 0, 1])
    return Matched(
        names=("a", "<b>"),
        method="weight_matching",
        exact=True,
        objective="distance of the weights",
        trace=((3.0, 2.0, 1.5),),
        notes=(),
        seconds=0.1,
        movable=0.9,
        unknown=(),
        warnings=(),
        groups=(UnitGroup("h", 3, "", ("h.weight",)),),
        layers=(TensorSimilarity("h.weight", (0.1,), (0.8,)), TensorSimilarity("out.weight", (-0.2,), (0.7,))),
        before=np.array([[0.0, 3.0], [3.0, 0.0]]),
        after=np.array([[0.0, 1.5], [1.5, 0.0]]),
        maps=({"h": np.arange(3)}, {"h": p}),
        similarity=({}, {"h": np.eye(3)[:, [1, 2, 0]]}),
    )


def test_a_unit_that_moved_from_place_2_to_place_0_is_marked_in_row_0_column_2(found):
    """Rows are places now, columns places before; the first row is on top."""
    fig = matching.moves(found.maps[1]["h"], reference="a", other="b")
    assert np.argmax(np.array(fig.data[0].z)[0]) == 2
    assert fig.layout.yaxis.autorange == "reversed"
    assert found.moved(1, "h") == 1.0
    assert found.moved(0, "h") == 0.0


def test_a_transport_is_drawn_as_shares_of_a_row():
    """Rows sum to one; a row without mass stays empty, without NaN."""
    drawn = matching.shares(np.array([[2.0, 2.0], [0.0, 0.0]]))
    assert drawn.tolist() == [[0.5, 0.5], [0.0, 0.0]]


def test_the_trace_is_drawn_step_by_step(found):
    """One line a model that was moved, its values untouched."""
    fig = matching.convergence(found)
    assert list(fig.data[0].y) == [3.0, 2.0, 1.5]
    assert fig.layout.yaxis.title.text == "distance of the weights"


def test_the_descent_is_what_was_measured(found):
    """A point for the start and for every step, and in words; a method without steps has none."""
    (drawn,) = matching.descent(found)
    assert drawn.name == "<b>" and drawn.x.tolist() == [0, 1, 2] and drawn.y.tolist() == [3.0, 2.0, 1.5]
    assert matching.descent_words(found) == "weight matching, distance of the weights: <b> from 3 to 1.5 in 2 steps."
    assert matching.descent(replace(found, trace=())) == []


def test_layers_stand_in_the_network_s_order_with_before_and_after(found):
    """First layer on top; names from files are escaped."""
    fig = matching.layers(found, 1)
    before, after = fig.data
    assert list(before.x) == [0.1, -0.2]
    assert list(after.x) == [0.8, 0.7]
    assert list(fig.layout.yaxis.ticktext) == ["h.weight", "out.weight"]
    assert "&lt;b&gt;" in matching.moves(found.maps[1]["h"], reference="a", other="<b>").layout.xaxis.title.text


def test_similarity_is_not_transposed(found):
    """Row i, column j: the reference's unit i and the other's unit j."""
    cosines = np.array([[0.9, 0.1], [0.2, 0.3]])
    assert np.allclose(matching.similarity(cosines, reference="a", other="b").data[0].z, cosines)
