"""The toys of lessons in numpy: known answers, and the engine's own methods on the same numbers."""

import numpy as np
import pytest
import torch

from explorer.lessons import _toys
from explorer.methods.chart import bezier
from explorer.methods.fuse.ties import fuse


def test_the_curve_is_that_of_the_chart():
    """The mixing coefficients of the method, applied to the ends and the bend; both ends have no loss."""
    t = np.linspace(0, 1, 9)
    corners = np.array([_toys.ENDS[0], _toys.BEND, _toys.ENDS[1]])
    assert _toys.bezier(t) == pytest.approx(bezier.place(t[:, None], corners @ corners.T) @ corners)
    assert _toys.along_bezier(np.array([0.0, 1.0])) == pytest.approx([0, 0], abs=1e-12)


def test_the_minimum_of_the_sum_is_where_its_gradient_vanishes():
    """Finite differences, for slanted ellipses; the other two means lie higher."""
    found = _toys.means()
    best, h = found["minimum of the sum"], 1e-4
    slope = [(_toys.total(best + h * e) - _toys.total(best - h * e)) / (2 * h) for e in np.eye(2)]
    assert slope == pytest.approx([0, 0], abs=1e-6)
    assert _toys.total(best) < _toys.total(found["Fisher mean"]) < _toys.total(found["mean"])


def test_along_the_axes_fisher_finds_the_minimum_and_two_equal_circles_have_their_mean():
    """Half axes 1 and ½, so curvatures 1 and 4: (1·0 + 4·1)/5 along the first axis."""
    one, two = _toys.Ellipse((0.0, 0.0), (1.0, 0.0), 0.5), _toys.Ellipse((1.0, 1.0), (0.5, 0.0), 1.0)
    found = _toys.means([one, two])
    assert found["Fisher mean"] == pytest.approx([0.8, 0.2])
    assert found["minimum of the sum"] == pytest.approx([0.8, 0.2])
    assert found["mean"] == pytest.approx([0.5, 0.5])
    circle = _toys.Ellipse((0.0, 0.0), (0.6, 0.8), 1.0)
    assert all(place == pytest.approx([1.0, 2.0]) for place in _toys.means([circle, circle._replace(at=(2.0, 4.0))]).values())


@pytest.mark.parametrize("kept", [1, 3, 4, 6])
def test_signs_vote_as_in_the_method(tiny, kept):
    """The method `ties` on a base of zeros and these changes."""
    models = [{"w": torch.zeros(6, dtype=torch.float64)}, *({"w": torch.tensor(row, dtype=torch.float64)} for row in _toys.CHANGES)]
    merged = fuse(models, tiny.problem, density=kept / 6)
    assert _toys.ties(kept=kept) == pytest.approx(merged["w"].numpy())
