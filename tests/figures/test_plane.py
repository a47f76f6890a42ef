"""The plane as a picture for a report: cells where they belong, gaps, orientation, words."""

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.figures.plane import Marker, Surface, Trace, axis_titles, figure, smooth, surface
from explorer.stats.plane_frame import around, closest

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


def test_a_preview_has_every_node_and_tells_measured_from_predicted():
    """x + 10 y comes back at every node, u to the right and v upwards, from an even grid of it; what is measured is not called a guess."""
    there = around(closest(CORNERS @ CORNERS.T), 0.25)
    axis = np.linspace(0, 1, 5)
    coords = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    grid, certificate = smooth(points_of(coords, coords @ (1.0, 10.0)), 0, there, 9, scale=100.0, relative=False)
    fine = np.linspace(0, 1, 9)
    assert grid.z == pytest.approx(100 * (fine[None, :] + 10 * fine[:, None]))
    assert grid.measured == 25
    assert not grid.guess[::2, ::2].any()
    assert not grid.lost.any()
    assert certificate is not None
    nothing, unknown = smooth(points_of(np.empty((0, 2)), np.empty(0)), 0, there, 9)
    assert (nothing.measured, nothing.lost.any(), unknown) == (0, False, None)


def test_a_preview_is_lost_where_it_says_nothing():
    """A diverged point, and the nodes of its cells; where the picture has not begun, nothing is lost."""
    there = around(closest(CORNERS @ CORNERS.T), 0.25)
    axis = np.linspace(0, 1, 5)
    coords = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    values = np.where((coords == (1.0, 1.0)).all(axis=1), np.nan, 1.0)
    grid, _ = smooth(points_of(coords, values), 0, there, 9)
    assert grid.lost[8, 8]
    assert np.argwhere(grid.lost).min() >= 6
    begun, _ = smooth(points_of([[0.0, 0.0]], [1.0]), 0, there, 9)
    assert not begun.lost.any()


def test_axes_say_towards_which_model_they_lead():
    """A plane of three models runs from the first to the one level with it and up to the third; around one model it has two directions."""
    markers = [Marker("A", -1.0, -0.4), Marker("B", 0.2, 0.8), Marker("C", 1.0, -0.4)]
    assert axis_titles(markers) == ("distance from A towards C", "distance at right angles, towards B")
    assert axis_titles(markers[:1]) == ("distance from A, first direction", "distance from A, second direction")
    assert axis_titles([]) == ("distance, first direction", "distance, second direction")
    assert axis_titles([Marker("A", 0.0, 0.0), Marker("B", 0.5, 0.7)]) == ("distance, first axis", "distance, second axis")
    drawn = figure(Surface(X := np.array([0.0, 1.0]), X, np.eye(2), np.zeros((2, 2), bool)), markers, [], z_title="loss", title="", footnote="")
    assert drawn.layout.xaxis.title.text == "distance from A towards C"
    other = figure(Surface(X, X, np.eye(2), np.zeros((2, 2), bool)), markers, [], z_title="loss", title="", footnote="", axes=("w₁", "w₂"))
    assert (other.layout.xaxis.title.text, other.layout.yaxis.title.text) == ("w₁", "w₂")


@pytest.mark.parametrize("log", [False, True])
def test_contours_carry_their_values_and_colours_can_be_chosen(log: bool):
    """Each level has a line that is called after it; Plotly writes the exponent of a logarithm, so there it writes nothing."""
    axis = np.array([0.0, 1.0])
    drawn = figure(
        Surface(axis, axis, np.eye(2) + 1, np.zeros((2, 2), bool)), [], [], z_title="loss", title="", footnote="", log=log, scale="Viridis"
    )
    heat, *lines = drawn.data
    assert {line.contours.showlabels for line in lines} == {not log}
    assert [line.name for line in lines] == list(heat.colorbar.ticktext) == (["1", "2"] if log else ["1.0", "1.2", "1.4", "1.6", "1.8", "2.0"])
    assert [line.contours.start for line in lines] == pytest.approx([np.log10(float(line.name)) if log else float(line.name) for line in lines])
    assert heat.colorscale[0][1] == "#440154"
