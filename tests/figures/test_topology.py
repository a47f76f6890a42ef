"""Minima as pictures, tables and words."""

from itertools import pairwise

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.figures.topology import DRAWN, barcode, diagram, layout, numbers, table, tree, words
from explorer.stats.field_topology import basins, of_points

CHAIN = np.array([[0.0, 4.0, 2.0, 6.0, 1.0]])


def found(surface, noise=0.0, blocks=32, seed=0):
    """The topology of a surface on distances that tell rows from columns, x from 0 by 10 and y from 7 by 1; noise: of each value."""
    rows, columns = np.indices(surface.shape)
    coords = np.stack([columns.ravel() / 100, rows.ravel() / 100], axis=1)
    drawn = np.random.default_rng(seed).standard_normal((surface.size, blocks))
    drawn -= drawn.mean(axis=1, keepdims=True)
    values = surface.reshape(-1, 1) + noise * np.sqrt(blocks) * drawn
    return of_points(Points(coords, values[:, None], np.ones(blocks)), np.stack([10.0 * columns.ravel(), 7.0 + rows.ravel()], axis=1))


def listed(surface, **how):
    return basins(found(surface, **how))


def test_a_bar_goes_from_each_minimum_to_its_pass():
    """The most persistent first; what never dies goes beyond all others."""
    bars, _, leaves = barcode(listed(CHAIN), unit="nat").data
    assert list(bars.x[::3]) == list(leaves.x) == [0, 1, 2]
    assert list(bars.x[1::3])[1:] == [6, 4]
    assert bars.x[1] > 6
    assert leaves.hovertext[1] == "minimum 1 nat [1, 1] at (40, 7), 40% of the points<br>pass 6 nat at (30, 7)<br>climb 5 nat [5, 5]"
    assert "no deeper one" in leaves.hovertext[0]


def test_the_diagram_has_births_across_and_deaths_up():
    """What never dies stands on a line above all others, within the picture."""
    fig = diagram(listed(CHAIN), unit="nat")
    shown = next(t for t in fig.data if t.name == "minima")
    assert list(shown.x) == [0, 1, 2]
    assert list(shown.y)[1:] == [6, 4]
    assert 6 < shown.y[0] < fig.layout.yaxis.range[1]


def test_minima_that_noise_can_have_made_are_hollow_in_every_picture():
    """A climb of 2 with an error of 1 in every value may be none; one of 5 is real, with whiskers that do not reach the minimum."""
    mine = listed(CHAIN, noise=0.9)
    assert [b.real for b in mine] == [True, True, False]
    by_name = {t.name: t for t in diagram(mine, unit="nat").data}
    assert list(by_name["noise can have made them"].x) == pytest.approx([2])
    bars = barcode(mine, unit="nat", picked=1).data
    assert [t.name for t in bars if t.mode == "lines"] == ["minima", "noise can have made them"]
    assert bars[1].error_x.arrayminus[1] < 5
    assert bars[1].error_x.array[1] > 0
    ring, first, second = (t for t in bars if t.mode == "markers" and t.error_x.array is None)
    assert (ring.y[0], list(first.customdata), list(second.customdata)) == (1, [0, 1], [2])
    assert second.marker.color == "white"
    widths = [t.line.width for t in tree(mine, unit="nat").data if t.mode == "lines"]
    assert widths[0] == widths[1] > widths[2]
    assert [float(b.death) for b in mine[1:]] == pytest.approx([6, 4])


def test_the_tree_joins_each_minimum_to_the_deeper_one_at_its_pass():
    """Up from the leaf, then across; the deepest goes up to the edge."""
    mine = listed(CHAIN)
    slots = layout(mine)
    branches = [t for t in tree(mine, unit="nat").data if t.mode == "lines"]
    for branch, b, slot in zip(branches, mine, slots, strict=True):
        if b.into is None:
            assert (branch.x[0], branch.y[0]) == (slot, 0)
            assert branch.y[1] > 6
        else:
            assert list(branch.x) == [slot, slot, slots[b.into]]
            assert list(branch.y) == [b.value.value, b.death, b.death]


@pytest.mark.parametrize("seed", range(5))
def test_no_two_branches_cross(seed):
    """No leaf's upright is met by another's crossbar between them."""
    surface = np.random.default_rng(seed).random((12, 12))
    surface[6] = np.nan
    mine = listed(surface)
    slots = layout(mine)
    assert sorted(slots) == list(range(len(mine)))
    for b, slot in zip(mine, slots, strict=True):
        if b.into is not None:
            between = range(min(slot, slots[b.into]) + 1, max(slot, slots[b.into]))
            crossed = [mine[slots.index(k)] for k in between]
            assert not any(other.value.value < b.death < other.death for other in crossed)


def test_a_rough_surface_is_drawn_with_its_most_persistent_minima():
    """A picture of thousands of leaves says nothing."""
    mine = listed(np.random.default_rng(0).random((40, 40)))
    assert len(mine) > DRAWN
    fig = tree(mine, unit="nat")
    assert sum(len(t.x) for t in fig.data if t.customdata is not None) == DRAWN
    assert all(a.climb.value >= b.climb.value for a, b in pairwise(mine[1:DRAWN]))
    assert sum(len(t.y) for t in barcode(mine, unit="nat").data if t.customdata is not None) == DRAWN


def test_nothing_measured_is_an_empty_picture_and_a_sentence():
    """While the first cells are on their way."""
    none = found(np.full((2, 2), np.nan))
    for draw in (barcode, diagram, tree):
        assert draw(basins(none), unit="nat").layout.height
    assert "no minimum" in words(none, basins(none), unit="nat")


def test_one_minimum_has_room_around_it():
    """A bowl: no range of zero width."""
    bowl = found(np.full((3, 3), 2.0))
    low, high = diagram(basins(bowl), unit="nat").layout.xaxis.range
    assert low < 2 < high
    assert "one minimum" in words(bowl, basins(bowl), unit="nat")


def test_the_words_count_place_and_weigh_the_minima():
    """What noise can have made is told apart, and parts that are not joined are told."""
    text = words(found(CHAIN), listed(CHAIN), unit="nat")
    assert "**3 minima** that noise cannot have made" in text
    assert "- 1 nat [1, 1] at (40, 7): reaching a deeper one means a climb of 5 nat [5, 5]; 40% of the points." in text
    assert "A minimum lies 3.667 nat [3.667, 3.667] below the first pass out of it, on average (SMAD)." in text
    text = words(found(CHAIN, noise=0.9), listed(CHAIN, noise=0.9), unit="nat")
    assert "2 minima" in text
    assert "Noise can have made 1 more." in text
    apart = np.array([[0.0, np.nan, 1.0]])
    assert "has 2 parts" in words(found(apart), listed(apart), unit="nat")
    rough = np.random.default_rng(0).random((9, 9))
    assert "are less deep" in words(found(rough), listed(rough), unit="nat")
    assert "nothing is known of noise" in words(found(CHAIN, blocks=1), listed(CHAIN, blocks=1), unit="nat")


def test_the_table_has_every_minimum_with_its_numbers():
    """And the numbers of the whole are those of the tree."""
    columns = table(listed(CHAIN))
    assert list(columns["x"]) == [0, 40, 20]
    assert list(columns["pass_x"])[1:] == [30, 10]
    assert np.isnan(columns["into"][0])
    assert list(columns["into"])[1:] == [0, 0]
    assert np.isnan(columns["climb"][0])
    assert list(columns["climb"])[1:] == [5, 2]
    assert columns["real"] == ["yes"] * 3
    said = numbers(found(CHAIN))
    assert said["SMAD"].value == pytest.approx((4 + 5 + 2) / 3)
    assert said["SMAD as a share of the range"].value == pytest.approx((4 + 5 + 2) / 18)
    assert said["SMAD weighted by basin"].value == pytest.approx((4 * 0.4 + 5 * 0.4 + 2 * 0.2) / 3)
    assert said["range of persistence"].value == pytest.approx(3)


def test_a_unit_is_text():
    """Whatever it is called."""
    fig = tree(listed(CHAIN), unit="<b>nat")
    assert fig.layout.yaxis.title.text == "&lt;b&gt;nat"
    assert "&lt;b&gt;nat" in fig.data[-1].hovertext[0]
