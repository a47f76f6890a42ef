"""The triangle of three models: true distances, every mark a soup."""

import numpy as np
import pytest

from explorer.figures.simplex import corners, figure


def test_corners_lie_at_true_distances():
    """A right triangle with sides 3, 4 and 5, wherever it lies in space."""
    models = np.array([[1.0, 1.0, 1.0], [4.0, 1.0, 1.0], [1.0, 1.0, 5.0]])
    places = corners(models @ models.T)
    assert [np.linalg.norm(places[a] - places[b]) for a, b in ((0, 1), (0, 2), (1, 2))] == pytest.approx([3, 4, 5])


def test_marks_stand_where_their_shares_say_and_carry_them():
    """f = x + 10 y of the place; what diverged is a cross and no colour."""
    models = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    shares = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.25, 0.25]])
    xy = shares @ models
    values = xy[:, 0] + 10 * xy[:, 1]
    values[0] = np.nan
    fig = figure(shares, values, models @ models.T, ["a", "<b>", "c"], value_title="error", title="t", picked=[1, 1, 0])
    marks = fig.data[0]
    assert np.allclose(marks.x + 10 * np.asarray(marks.y), marks.marker.color)
    assert np.allclose(marks.customdata, shares[1:])
    assert (fig.data[1].x[0], fig.data[1].y[0]) == (0, 0)
    assert [a.text for a in fig.layout.annotations] == ["a", "&lt;b&gt;", "c"]
    assert (fig.data[-1].x[0], fig.data[-1].y[0]) == (1, 0)


def test_marks_keep_apart_however_near_two_models_are():
    """With equal sides unless true distances are asked for: then the same marks all but cover each other."""
    near = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1e-3]])
    shares = np.array([(a, b, 4 - a - b) for a in range(5) for b in range(5 - a)]) / 4

    def least(gram):
        marks = figure(shares, np.arange(15.0), gram, ["a", "b", "c"], value_title="error", title="t").data[0]
        xy = np.column_stack([marks.x, marks.y])
        return (np.linalg.norm(xy[:, None] - xy[None], axis=2) + 9 * np.eye(15)).min()

    assert least(None) == pytest.approx(0.25, abs=1e-6)
    assert least(near @ near.T) < 0.001
