"""Pictures of an alignment: what stands where."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.figures import matching, matching_words
from explorer.symmetry.alignment_report import AxisClass, Matched, TensorSimilarity, UnitGroup


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


def rotation(degrees):
    """In the plane of the first two of three places."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def test_a_turn_is_drawn_with_its_angle():
    """A stretched rotation by 30° in one plane: one direction stays, two are turned by 30; the chosen map is drawn last, over the others."""
    fig = matching.turned(np.stack([2.0 * rotation(30.0), rotation(90.0)]), 0)
    assert [list(np.round(trace.y, 6)) for trace in fig.data] == [[0, 90, 90], [0, 30, 30]]
    assert matching_words.done(AxisClass("x", "invertible", 3), 2.0 * rotation(30.0)[None]) == (
        "turned by 30° in the median direction, 30° at most; scaled by 2 to 2"
    )


def test_places_are_drawn_before_and_after():
    """Unit after unit, in the order of the places; the sentence counts those that came closer."""
    cosines = np.array([[[0.1, 0.5], [0.0, 0.9]], [[1.0, 0.6], [0.3, 0.8]]])
    before, after = matching.places(AxisClass("x", "scaled", 2), cosines, reference="a").data
    assert (list(before.y), list(after.y)) == ([0.1, 0.5, 0.0, 0.9], [1.0, 0.6, 0.3, 0.8])
    assert matching_words.closer(cosines) == "Mean cosine 0.375 before, 0.675 after; 3 of 4 places came closer."
