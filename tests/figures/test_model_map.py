"""The map of many models, drawn."""

import numpy as np
import pytest

from explorer.figures.model_map import ends_of, figure
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


def test_a_mark_on_each_line_names_its_two_models_and_a_model_s_mark_names_itself():
    """With the rise and its interval where one points; a ring stands around what is picked."""
    fig = figure(AT, KNOWN, ["a", "b", "c"], threshold=0.2, unit="nat", picked=[2])
    middles = [t for t in fig.data if t.marker.symbol == "diamond"]
    assert [ends_of(number, 3) for t in middles for number in t.customdata] == [(0, 1), (1, 2)]
    assert [float(x) for t in middles for x in t.x] == [0.5, 2.0]
    assert "b – c" in middles[1].hovertext[0]
    assert "0.30 nat [0.15, 0.45]" in middles[1].hovertext[0]
    models = next(t for t in fig.data if t.customdata is not None and t not in middles)
    assert [ends_of(number, 3) for number in models.customdata] == [(0,), (1,), (2,)]
    assert next(t for t in fig.data if t.name == "picked").x[0] == 3.0


def test_groups_have_a_colour_each_and_what_is_beyond_the_colours_is_said():
    """Every model is drawn once, with its own number; the largest group comes first."""
    n = 12
    known = Rises(*(np.full((n, n), 1.0) for _ in range(3)))
    places = np.random.default_rng(0).normal(size=(n, 2))
    fig = figure(places, known, [str(k) for k in range(n)], threshold=0.5, unit="", groups=["<x>", "<x>", *(f"g{k}" for k in range(10))])
    assert fig.data[0].name == "&lt;x&gt; (2)"
    assert fig.data[-1].name == "others (4)"
    assert sorted(k for t in fig.data for k in t.customdata) == list(range(n))
    assert len({t.marker.color for t in fig.data}) == len(fig.data) == 8
