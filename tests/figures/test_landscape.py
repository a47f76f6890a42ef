"""A plane's cross-sections, heights and words."""

import numpy as np
import pytest

from explorer.figures.landscape import explain, height, relief, sections
from explorer.figures.plane import Marker, Surface
from explorer.stats.metrics import find

X, Y = np.linspace(-2, 2, 9), np.linspace(-1, 3, 5)


def surface(function, lost=None):
    z = function(*np.meshgrid(X, Y))
    return Surface(X, Y, z, np.zeros(z.shape, dtype=bool) if lost is None else lost)


def test_a_cross_section_is_a_row_and_a_column_of_cells():
    """Through the nearest row and column, in distances."""
    row, column = sections(surface(lambda x, y: x + 10 * y), 0.4, 1.9)
    assert row.x.tolist() == X.tolist()
    assert row.y == pytest.approx(X + 10 * 2.0)
    assert column.y == pytest.approx(0.5 + 10 * Y)
    assert (row.name, column.name) == ("to the right, at height 2.00", "upwards, at 0.50 to the right")


def test_heights_between_cells_are_straight():
    """A bilinear surface is read exactly; outside and beside a gap there is no height."""
    grid = surface(lambda x, y: 1 + 2 * x + 3 * y + x * y)
    x, y = np.array([0.3, -1.7, 9.0]), np.array([0.6, 2.9, 0.0])
    found = height(grid, x, y)
    assert found[:2] == pytest.approx((1 + 2 * x + 3 * y + x * y)[:2])
    assert np.isnan(found[2])
    grid.z[2, 4] = np.nan
    assert np.isnan(height(grid, np.array([0.1]), np.array([0.9]))[0])


def test_the_words_name_the_lowest_place_and_what_lies_between_the_models():
    """Two wells with a ridge of 1 between them; the lowest cell is that of a model."""
    grid = surface(lambda x, y: 0.1 + (1 - x**2 / 4) + 0 * y)
    grid.z[:] = np.where(np.abs(X) == 2, 0.1, grid.z)
    grid.z[1, 0] = 0.05
    said = explain(grid, [Marker("A", -2.0, 0.0), Marker("B", 2.0, 0.0)], metric=find("loss"), unit="nat", around=False, dimensions=1234)
    assert "**0.05 nat**" in said
    assert "in the cell of A" in said
    assert "A and B 1" in said
    assert "1,234 dimensions" in said


def test_of_an_accuracy_the_words_name_the_highest_place_and_the_valley_between_the_models():
    """What is better is named first; its digits are those that its interval leaves."""
    grid = surface(lambda x, y: 90 + 2 * x**2 + 0 * y)
    ends = [Marker("A", -2.0, 0.0), Marker("B", 2.0, 0.0)]
    said = explain(grid, ends, metric=find("accuracy"), unit="%", around=False, dimensions=9, interval=lambda i, j: (97.2, 98.9))
    assert "The highest measured accuracy is **98.00 %** [97.20, 98.90] at (−2.00, −1.00), the lowest 90.00 %" in said
    assert "the fall below the straight line is, in points: A and B 8" in said


def test_cells_that_diverged_are_counted_and_leave_holes():
    """Neither words nor relief make a number of them."""
    lost = np.zeros((5, 9), dtype=bool)
    lost[0, :3] = True
    grid = surface(lambda x, y: x**2 + y**2 + 1.0, lost)
    grid.z[lost] = np.nan
    assert "In 3 cells" in explain(grid, [], metric=find("loss"), unit="nat", around=True, dimensions=10)
    assert np.isnan(relief(grid, [], [], z_title="loss", log=True).data[0].z[0, 0])
