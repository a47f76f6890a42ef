"""The map of many models, drawn."""

import numpy as np
import pytest

from explorer.figures.model_map import figure
from explorer.stats.model_map import Rises

VALUE = np.array([[0.0, 0.1, 1.0], [0.1, 0.0, 0.3], [1.0, 0.3, 0.0]])
KNOWN = Rises(VALUE, VALUE - 0.15 * (VALUE == 0.3), VALUE + 0.15 * (VALUE == 0.3))
AT = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 1.0]])


def test_lines_below_the_threshold_are_drawn_and_uncertain_ones_dotted():
    """A hull around those that are surely joined; the title says how many basins there are."""
    fig = figure(AT, KNOWN, ["a", "<b>b", "c"], threshold=0.2, unit="nat", colours=[1.0, 2.0, 3.0])
    sure, perhaps = (next(t for t in fig.data if t.name == name) for name in ("below the threshold", "may be below"))
    assert list(sure.x[:2]) == [0.0, 1.0]
    assert list(perhaps.x[:2]) == [1.0, 3.0]
    assert len([t for t in fig.data if t.fill == "toself"]) == 1
    assert "2 basins of 3 models" in fig.layout.title.text
    marks = fig.data[-1]
    assert list(marks.hovertext) == ["a", "&lt;b&gt;b", "c"]
    assert list(marks.marker.color) == [1.0, 2.0, 3.0]


def test_below_all_rises_there_is_no_line_and_no_hull():
    """Every model a basin of its own; models at one place are drawn as well."""
    fig = figure(np.zeros((3, 2)), KNOWN, ["a", "b", "c"], threshold=0.01, unit="", sizes=[0.0, 0.5, 1.0])
    assert len(fig.data) == 1
    assert list(fig.data[0].marker.size) == [6, 13, 20]
    together = figure(np.zeros((3, 2)), KNOWN, ["a", "b", "c"], threshold=2.0, unit="")
    assert "1 basin of 3" in together.layout.title.text
    with pytest.raises(ValueError, match="3 places"):
        figure(np.zeros((2, 2)), KNOWN, ["a", "b", "c"], threshold=1, unit="")
