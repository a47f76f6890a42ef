"""Phases of a training, drawn."""

import numpy as np
import pytest

from explorer.figures.phases import Phase, figure

X = np.array([1.0, 2.0, 4.0])


def test_each_number_has_a_row_of_its_own_over_the_same_epochs():
    """With its interval as error bars around the value."""
    fig = figure(X, [Phase("<b>a", X, X - 0.5, X + 1.0), Phase("b", -X, -X - 1, -X)], x_title="epoch")
    first, second = fig.data
    assert first.name == "&lt;b&gt;a"
    assert list(first.error_y.array) == [1.0, 1.0, 1.0]
    assert list(first.error_y.arrayminus) == [0.5, 0.5, 0.5]
    assert (first.yaxis, second.yaxis) == ("y", "y2")
    assert fig.layout.xaxis2.title.text == "epoch"
    with pytest.raises(ValueError, match="3 values"):
        figure(X, [Phase("a", X[:2], X[:2], X[:2])], x_title="epoch")
