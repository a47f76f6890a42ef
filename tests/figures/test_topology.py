"""Minima as pictures and words."""

from itertools import pairwise

import numpy as np
import pytest

from explorer.figures.plane import Surface
from explorer.figures.topology import DRAWN, diagram, layout, tree, words
from explorer.stats.persistence import minima

SURFACE = np.array([[0.0, 4.0, 2.0, 6.0, 1.0]])
NONE = np.full((2, 2), np.nan)


def grid(z):
    """The surface on distances that tell rows from columns."""
    return Surface(10.0 * np.arange(z.shape[1]), 7.0 + np.arange(z.shape[0]), z, np.zeros(z.shape, dtype=bool))


def test_the_diagram_has_births_across_and_deaths_up():
    """What never dies stands on a line above all others, within the picture."""
    fig = diagram(minima(SURFACE), grid(SURFACE), unit="nat")
    shown = next(t for t in fig.data if t.name == "minima")
    assert list(shown.x) == [0, 1, 2]
    assert list(shown.y)[1:] == [6, 4]
    never = shown.y[0]
    assert 6 < never < fig.layout.yaxis.range[1]
    assert shown.hovertext[1] == "minimum 1 nat at (40, 7)<br>pass 6 nat at (30, 7)<br>persistence 5 nat"
    assert "no deeper one" in shown.hovertext[0]


def test_minima_within_the_error_are_open_and_in_the_band():
    """Persistence 2 with an error of 1 either way may be none; persistence 5 is one."""
    fig = diagram(minima(SURFACE), grid(SURFACE), unit="nat", noise=1.0)
    by_name = {t.name: t for t in fig.data}
    assert list(by_name["may not be minima"].x) == [2]
    assert list(by_name["minima"].x) == [0, 1]
    band = by_name["within the error"]
    assert np.array(band.y) - np.array(band.x) == pytest.approx([0, 0, 2, 2])


def test_the_tree_joins_each_minimum_to_the_deeper_one_at_its_pass():
    """Up from the leaf, then across; the deepest goes up to the edge."""
    found = minima(SURFACE)
    fig = tree(found, grid(SURFACE), unit="nat")
    slots = layout(found)
    branches = [t for t in fig.data if t.mode == "lines"]
    for branch, m, slot in zip(branches, found, slots, strict=True):
        if m.into is None:
            assert (branch.x[0], branch.y[0]) == (slot, 0)
            assert branch.y[1] > 6
        else:
            assert list(branch.x) == [slot, slot, slots[m.into]]
            assert list(branch.y) == [m.birth, m.death, m.death]
    widths = [t.line.width for t in tree(found, grid(SURFACE), unit="nat", noise=1.0).data if t.mode == "lines"]
    assert widths[0] == widths[1] > widths[2]


@pytest.mark.parametrize("seed", range(5))
def test_no_two_branches_cross(seed):
    """No leaf's upright is met by another's crossbar between them."""
    surface = np.random.default_rng(seed).random((12, 12))
    surface[6] = np.nan
    found = minima(surface)
    slots = layout(found)
    assert sorted(slots) == list(range(len(found)))
    for m, slot in zip(found, slots, strict=True):
        if m.into is not None:
            between = range(min(slot, slots[m.into]) + 1, max(slot, slots[m.into]))
            crossed = [found[slots.index(k)] for k in between]
            assert not any(other.birth < m.death < other.death for other in crossed)


def test_a_rough_surface_is_drawn_with_its_most_persistent_minima():
    """A picture of thousands of leaves says nothing."""
    surface = np.random.default_rng(0).random((40, 40))
    found = minima(surface)
    assert len(found) > DRAWN
    fig = tree(found, grid(surface), unit="nat")
    assert len(fig.data[-1].x) == DRAWN
    assert max(fig.data[-1].y) == max(m.birth for m in found[:DRAWN])
    assert all(a.persistence >= b.persistence for a, b in pairwise(found[:DRAWN]))


def test_nothing_measured_is_an_empty_picture_and_a_sentence():
    """While the first cells are on their way."""
    for draw in (diagram, tree):
        assert draw(minima(NONE), grid(NONE), unit="nat").layout.height
    assert "no minimum" in words(minima(NONE), grid(NONE), unit="nat")


def test_one_minimum_has_room_around_it():
    """A bowl: no range of zero width."""
    bowl = np.full((3, 3), 2.0)
    low, high = diagram(minima(bowl), grid(bowl), unit="nat").layout.xaxis.range
    assert low < 2 < high
    assert "one minimum" in words(minima(bowl), grid(bowl), unit="nat")


def test_the_words_count_place_and_weigh_the_minima():
    """What is within the error is told apart, and parts that are not joined are told."""
    found, place = minima(SURFACE), grid(SURFACE)
    text = words(found, place, unit="nat")
    assert "3 minima" in text
    assert "- 1 nat at (40, 7): reaching a deeper one means a climb of 5 nat, over a pass at 6 nat." in text
    text = words(found, place, unit="nat", noise=1.0)
    assert "2 minima" in text
    assert "1 more is no deeper than the error" in text
    apart = np.array([[0.0, np.nan, 1.0]])
    assert "has 2 parts" in words(minima(apart), grid(apart), unit="nat")
    rough = np.random.default_rng(0).random((9, 9))
    assert "are less deep" in words(minima(rough), grid(rough), unit="nat")


def test_a_unit_is_text():
    """Whatever it is called."""
    fig = tree(minima(SURFACE), grid(SURFACE), unit="<b>nat")
    assert fig.layout.yaxis.title.text == "&lt;b&gt;nat"
    assert "&lt;b&gt;nat" in fig.data[-1].hovertext[0]
