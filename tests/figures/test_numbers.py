"""A picture's numbers: what is drawn comes back as a table, and its ends as words."""

import numpy as np
import plotly.graph_objects as go
import pytest

from explorer.figures import matrix, numbers
from explorer.figures.bars import Bar
from explorer.figures.bars import figure as bars
from explorer.figures.curve import Curve
from explorer.figures.curve import figure as curves
from explorer.figures.plane import Surface
from explorer.figures.plane import figure as plane


def test_a_curve_comes_back_with_its_band_and_its_gap():
    """Guides, such as the chord and the band's fill, are no rows; a point that diverged stays NaN."""
    x, y = np.array([0.0, 0.5, 1.0]), np.array([1.0, np.nan, 2.0])
    drawn = curves([Curve("a < b", x, y, y - 0.25, y + 0.25, chord=(1.0, 2.0))], x_title="t", y_title="loss", title="", footnote="")
    table = numbers.table(drawn)
    assert list(table.columns) == ["curve", "x", "y", "low", "high"]
    assert set(table["curve"]) == {"a < b"}
    np.testing.assert_array_equal(table[["x", "y", "low", "high"]].to_numpy()[::2], [[0, 1, 0.75, 1.25], [1, 2, 1.75, 2.25]])
    assert np.isnan(table["y"][1])
    assert numbers.words(drawn) == "- **a \\< b**: 3 values, from 1 (0) to 2 (1); 1 not finite"


def test_a_matrix_is_told_by_the_names_of_its_rows_and_columns():
    """Value (row, column) lands beside both names."""
    drawn = matrix.grid(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]]), ["p", "q"], ["u", "v", "w"], title="")
    rows = {(r.y, r.x): r.value for r in numbers.table(drawn).itertuples()}
    assert rows["p", "w"] == 3
    assert rows["q", "u"] == 4
    assert np.isnan(rows["q", "w"])


@pytest.mark.parametrize("log", [False, True])
def test_cells_of_a_plane_come_once_at_their_distances(log):
    """f = 1 + x + 10y at row y, column x, also where its logarithm is coloured; the contours over the cells add nothing."""
    x, y = np.array([0.0, 1.0]), np.array([0.0, 2.0, 4.0])
    table = numbers.table(
        plane(Surface(x, y, 1 + x + 10 * y[:, None], np.zeros((3, 2), dtype=bool)), [], [], z_title="f", title="", footnote="", log=log)
    )
    assert len(table) == 6
    np.testing.assert_array_equal(table["value"], 1 + table["x"] + 10 * table["y"])


def test_bars_keep_their_whiskers():
    """The interval is that of the bar, not the length of the whisker."""
    table = numbers.table(bars([Bar("a", 2.0, 1.5, 3.0)], x_title="loss"))
    np.testing.assert_allclose(table[["low", "high"]], [[1.5, 3.0]])


def test_an_empty_picture_has_no_rows_and_says_so():
    """No figure is too empty for a file."""
    assert not len(numbers.table(go.Figure()))
    assert numbers.words(go.Figure()) == "Nothing is drawn yet."
