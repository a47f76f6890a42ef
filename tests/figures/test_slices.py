"""Slices of fields of three dimensions and more."""

import numpy as np
import pytest

from explorer.figures.slices import MOST, figure


def linear(*sizes):
    """x + 10 y + 100 z + …"""
    return sum(10.0**k * a for k, a in enumerate(np.meshgrid(*[np.arange(float(n)) for n in sizes], indexing="ij")))


def test_a_value_stands_in_its_slice_at_its_row_and_column():
    """f = x + 10 y + 100 z lands in the slice of z at row y, column x; all slices have one scale."""
    fig = figure(linear(4, 3, 2), [np.arange(4.0), np.arange(3.0), np.arange(2.0)], names="xyz", z_title="loss")
    first, second = fig.data
    assert first.z[2][3] == 23
    assert second.z[1][2] == 112
    assert (first.zmin, first.zmax) == (second.zmin, second.zmax) == (0, 123)
    assert {a.text for a in fig.layout.annotations} == {"z = 0", "z = 1"}
    assert [t.showscale for t in fig.data] == [False, True]


def test_the_fourth_axis_goes_down_and_of_further_ones_the_middle_is_shown():
    """A slice for each pair of places of the third and the fourth."""
    sizes = (2, 2, 3, 2, 3)
    fig = figure(linear(*sizes), [np.arange(float(n)) for n in sizes], names="abcde", z_title="loss")
    assert len(fig.data) == 6
    assert fig.data[-1].z[1][1] == 1 + 10 + 200 + 1000 + 10000


def test_of_many_slices_an_even_choice_is_drawn_with_both_ends():
    """On a logarithmic scale, gaps where nothing is known."""
    values = 1 + linear(2, 2, 40)
    values[0, 0, 0] = np.nan
    fig = figure(values, [np.arange(2.0), np.arange(2.0), np.arange(40.0)], names="xyz", z_title="loss", log=True)
    assert len(fig.data) == MOST
    assert np.isnan(fig.data[0].z[0][0])
    assert fig.data[-1].z[1][1] == pytest.approx(np.log10(3912))


def test_what_is_no_grid_of_three_axes_is_refused():
    """With what came."""
    with pytest.raises(ValueError, match=r"got \(2, 2\)"):
        figure(np.zeros((2, 2)), [np.arange(2.0)] * 2, names="xy", z_title="loss")
