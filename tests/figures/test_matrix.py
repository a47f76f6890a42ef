"""A table between models: rows down, columns across."""

import numpy as np
import pytest

from explorer.figures import matrix


def test_row_i_column_j_is_drawn_at_row_i_column_j():
    """An asymmetric table is not transposed, and its first row is on top."""
    values = np.array([[0.0, 1.0], [2.0, 0.0]])
    fig = matrix.figure(values, ["a", "b"], title="t")
    assert fig.data[0].z.tolist() == values.tolist()
    assert fig.layout.yaxis.autorange == "reversed"
    assert tuple(fig.layout.yaxis.ticktext) == tuple(fig.layout.xaxis.ticktext) == ("a", "b")


def test_signed_colours_are_centred_at_zero():
    """−1 and 1 are as far from the middle."""
    scale = matrix.figure(np.eye(2), ["a", "b"], title="t", signed=True).data[0]
    assert (scale.zmin, scale.zmax) == (-1, 1)


def test_the_numbers_stand_in_their_cells_in_an_ink_that_can_be_read():
    """Row and column as drawn, a minus sign, white on Cividis' dark end and black on its olive middle and its bright end; a gap stays empty."""
    texts = {
        (a.y, a.x): (a.text, a.font.color) for a in matrix.figure(np.array([[0.0, 1.0], [np.nan, 2.0]]), ["a", "b"], title="t").layout.annotations
    }
    assert texts == {(0, 0): ("0", "#ffffff"), (0, 1): ("1", "#000000"), (1, 1): ("2", "#000000")}
    signed = matrix.figure(np.array([[1.0, -0.25], [-0.25, 1.0]]), ["a", "b"], title="t", signed=True).layout.annotations
    assert [a.text for a in signed] == ["1.00", "−0.25", "−0.25", "1.00"]


def test_names_that_do_not_fit_are_refused():
    """A table of three models needs three names."""
    with pytest.raises(ValueError, match=r"shape \(2, 2\), got \(3, 3\)"):
        matrix.figure(np.eye(3), ["a", "b"], title="t")


def test_two_hundred_models_are_named_as_far_as_there_is_room():
    """No number in a cell, no seam, a scale of colours; every name is on its axis once, also where two models are called alike."""
    names = ["same", "same", *(f"m{k}" for k in range(198))]
    fig = matrix.figure(np.eye(200), names, title="t")
    assert not fig.layout.annotations
    assert fig.data[0].showscale
    assert fig.data[0].xgap == 0
    assert (fig.layout.yaxis.constraintoward, fig.data[0].colorbar.yanchor) == ("top", "top"), "on a narrow page the map would hang in the middle"
    assert len(set(fig.data[0].x)) == 200
    assert fig.data[0].customdata is None, "40,000 names of pairs are a megabyte"
