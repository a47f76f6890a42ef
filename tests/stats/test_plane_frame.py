"""The plane of several models: distances, orientation, and what lies outside of it."""

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.stats.plane_frame import closest, spanned

place = registry.find("chart", "plane")


def models(count, seed=0, size=50):
    """Random models far from the origin, and their Gram matrix."""
    found = np.random.default_rng(seed).normal(size=(count, size)) + 3.0
    return found, found @ found.T


def test_three_models_keep_their_distances_and_lie_in_the_plane():
    """Corner to corner, as in the space of all weights; nothing is outside."""
    corners, gram = models(3)
    found = closest(gram)
    for i in range(3):
        for j in range(3):
            assert np.linalg.norm(found.corners[i] - found.corners[j]) == pytest.approx(np.linalg.norm(corners[i] - corners[j]), rel=1e-9, abs=1e-9)
    assert found.outside == pytest.approx(np.zeros(3), abs=1e-6)
    assert found.coefficients(found.corners) == pytest.approx(np.eye(3), abs=1e-9)


@pytest.mark.parametrize("count", [3, 4, 7])
def test_the_axes_are_orthonormal_in_the_space_of_weights(count):
    """A step of one unit along an axis is a step of length one of the model."""
    corners, gram = models(count)
    steps = closest(gram).basis @ corners
    assert steps @ steps.T == pytest.approx(np.eye(2), abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_first_corner_is_left_of_the_last_and_the_rest_above(seed):
    """The orientation does not depend on signs of eigenvectors."""
    _, gram = models(4, seed)
    found = closest(gram).corners
    assert found[0, 1] == pytest.approx(found[-1, 1], abs=1e-9)
    assert found[0, 0] < found[-1, 0]
    level = found[:, 1] - found[0, 1]
    assert level[np.abs(level).argmax()] > 0


def test_more_corners_are_projected_and_their_distance_to_the_plane_is_told():
    """Against the projection of the models themselves on the best plane by singular values."""
    corners, gram = models(6)
    centred = corners - corners.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    outside = np.linalg.norm(centred - centred @ axes[:2].T @ axes[:2], axis=1)
    assert closest(gram).outside == pytest.approx(outside, rel=1e-6)


def test_the_unit_square_is_a_window_around_the_corners():
    """With no margin it ends at the outermost corners of the longer side; its points are mixtures at true distances."""
    corners, gram = models(3)
    extent = np.ptp(closest(gram).corners, axis=0)
    coords = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    tight, wide = (place(coords, gram, margin=margin) @ corners for margin in (0.0, 0.5))
    across, up = (np.linalg.norm(tight[k] - tight[0]) for k in (1, 2))
    assert across == pytest.approx(max(extent[0], extent.max() / 2))
    assert up == pytest.approx(max(extent[1], extent.max() / 2))
    assert np.linalg.norm(wide[1] - wide[0]) == pytest.approx(across + extent.max())


def test_two_directions_span_an_orthonormal_plane_around_the_first_model():
    """The second corner lies on the x axis, the third above it; a step of one unit is one long, whatever the angle between the directions."""
    corners, gram = models(3)
    found = spanned(gram)
    steps = found.basis @ corners
    assert steps @ steps.T == pytest.approx(np.eye(2), abs=1e-9)
    assert found.coefficients(found.corners) == pytest.approx(np.eye(3), abs=1e-9)
    assert found.corners[1] == pytest.approx([np.linalg.norm(corners[1] - corners[0]), 0.0])
    assert found.corners[2, 1] > 0


@pytest.mark.parametrize("count", [4, 6])
def test_more_directions_span_a_space_at_true_distances(count):
    """Orthonormal axes, corners at the distances that they have; the k-th direction needs no axis beyond the k-th."""
    corners, gram = models(count)
    found = spanned(gram)
    steps = found.basis @ corners
    assert steps @ steps.T == pytest.approx(np.eye(count - 1), abs=1e-9)
    assert found.coefficients(found.corners) == pytest.approx(np.eye(count), abs=1e-9)
    assert np.triu(found.corners[1:], 1) == pytest.approx(np.zeros((count - 1, count - 1)))
    assert np.linalg.norm(found.corners[3] - found.corners[1]) == pytest.approx(np.linalg.norm(corners[3] - corners[1]))
    with pytest.raises(Refused, match="sum of others"):
        spanned((four := np.stack([corners[0], corners[1], corners[2], corners[1] + corners[2] - corners[0]])) @ four.T)


def test_a_box_over_all_corners_holds_them_and_one_around_the_first_has_it_in_the_middle():
    """With so much room on every side as is said."""
    _, gram = models(4)
    volume = registry.find("chart", "volume", function="box")
    box = volume(gram, around="all", extent=0.25)
    at = box.coords(box.frame.corners)
    low, high = box.frame.corners.min(axis=0), box.frame.corners.max(axis=0)
    assert (box.sides - (high - low)) / 2 == pytest.approx(np.full(3, 0.25 * (high - low).max()))
    assert ((at > 0) & (at < 1)).all()
    assert registry.find("chart", "volume")(np.full((1, 3), 0.5), gram).tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_parallel_directions_are_refused():
    """They span a line."""
    corners, _ = models(2)
    three = np.stack([corners[0], corners[0] + corners[1], corners[0] - 2 * corners[1]])
    with pytest.raises(Refused, match="parallel"):
        spanned(three @ three.T)


def test_a_window_around_a_model_reaches_as_far_as_is_said():
    """The middle is the model itself, the right edge is extent lengths of the first direction away."""
    corners, gram = models(3)
    around = registry.find("chart", "directions")
    assert around(np.array([[0.5, 0.5]]), gram).tolist() == [[1.0, 0.0, 0.0]]
    edge = around(np.array([[1.0, 0.5]]), gram, extent=0.5) @ corners
    assert edge[0] == pytest.approx(corners[0] + 0.5 * (corners[1] - corners[0]))


def test_models_on_a_line_are_refused():
    """Two models and a mixture of them span no plane; nor do two models."""
    corners, _ = models(2)
    three = np.stack([corners[0], 0.3 * corners[0] + 0.7 * corners[1], corners[1]])
    with pytest.raises(Refused, match="on one line"):
        closest(three @ three.T)
    with pytest.raises(Refused, match="at least three"):
        closest(corners @ corners.T)
