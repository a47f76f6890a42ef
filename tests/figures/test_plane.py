"""The plane as a picture for a report: cells where they belong, gaps, orientation, words."""

import numpy as np
import pytest

from explorer.figures.plane import Marker, Surface, Trace, figure, surface
from explorer.frame import around, closest
from explorer.points import Points

CORNERS = np.array([[0.0, 0.0], [1.0, 2.0], [4.0, 0.0]])


def points_of(coords, values):
    return Points(np.array(coords, dtype=float), np.array(values, dtype=float)[:, None, None], np.ones(1))


def test_a_point_goes_into_its_own_cell():
    """u to the right, v upwards; what is not on the grid is left out, what is no number is known as lost."""
    there = around(closest(CORNERS @ CORNERS.T), 0.25)
    grid = surface(points_of([[0.0, 0.0], [1.0, 0.5], [0.3, 0.3], [0.5, 1.0]], [7.0, 8.0, 9.0, np.nan]), 0, there, 3)
    assert grid.z[0, 0] == 7.0
    assert grid.z[1, 2] == 8.0
    assert np.isfinite(grid.z).sum() == 2
    assert np.argwhere(grid.lost).tolist() == [[2, 1]]
    assert grid.measured == 3


def test_distances_are_those_of_the_models():
    """The window around corners 4 apart, half a share wider, is 6 wide; its height is its own."""
    there = around(closest(CORNERS @ CORNERS.T), 0.25)
    grid = surface(points_of(np.empty((0, 2)), np.empty(0)), 0, there, 5)
    assert np.ptp(grid.x) == pytest.approx(4 * 1.5)
    assert np.ptp(grid.y) == pytest.approx(2 + 2 * 0.25 * 4)


def test_the_picture_keeps_the_aspect_and_names_as_text():
    """One unit is as long upwards as to the right; a name with markup is shown as it is."""
    axis = np.linspace(0, 1, 4)
    z = np.outer(axis, axis) + 0.01
    z[0, 0] = np.nan
    fig = figure(
        Surface(axis, axis, z, np.zeros((4, 4), dtype=bool)),
        [Marker("<b>A</b>", 0.0, 0.0)],
        [Trace("curve", "#D55E00", axis, axis, axis**2)],
        z_title="loss",
        title="plane",
        footnote="16 points",
        log=True,
    )
    assert fig.layout.yaxis.scaleanchor == "x"
    assert fig.data[0].z[0, 0] != fig.data[0].z[0, 0], "a gap"
    assert fig.data[0].z[3, 3] == pytest.approx(np.log10(1.01), rel=1e-5)
    assert "&lt;b&gt;" in fig.data[-1].text[0]
