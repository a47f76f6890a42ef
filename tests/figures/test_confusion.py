"""The confusion matrix: true classes down, predicted classes across."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.figures import confusion

COUNTS = np.array([[8, 2, 0], [0, 5, 5], [1, 0, 3]])
CLASSES = ["cat", "dog", "eel"]


def test_true_class_is_the_row():
    """Two cats taken for dogs lie in the cats' row and the dogs' column, and the first class is on top."""
    figure = confusion.figure(COUNTS, CLASSES, title="A")
    (heat,) = figure.data
    assert heat.text[0][1] == 2
    assert heat.z[0][1] == pytest.approx(0.2)
    assert "true cat<br>predicted dog<br>2 of 10" in heat.customdata[0][1]
    assert list(figure.layout.yaxis.ticktext) == list(figure.layout.xaxis.ticktext) == CLASSES
    assert (figure.layout.yaxis.title.text, figure.layout.xaxis.title.text) == ("true class", "predicted class")
    assert figure.layout.yaxis.autorange == "reversed"


def test_colour_is_the_share_of_the_true_class():
    """Rows add up to one, whatever the class sizes; the scale always runs from 0 to 1."""
    (heat,) = confusion.figure(COUNTS, CLASSES, title="A").data
    np.testing.assert_allclose(heat.z, COUNTS / COUNTS.sum(axis=1, keepdims=True), rtol=1e-6)
    assert (heat.zmin, heat.zmax) == (0, 1)


def test_a_class_without_samples_is_a_gap():
    """0 of 0 is not 0 %."""
    counts = COUNTS.copy()
    counts[1] = 0
    (heat,) = confusion.figure(counts, CLASSES, title="A").data
    assert np.isnan(heat.z[1]).all()
    assert np.isfinite(heat.z[[0, 2]]).all()


def test_many_classes_keep_readable_ticks():
    """A hundred names do not fit on an axis; every fourth does."""
    figure = confusion.figure(np.eye(100, dtype=np.int64), [str(i) for i in range(100)], title="A")
    assert list(figure.layout.xaxis.ticktext)[:3] == ["0", "4", "8"]
    assert list(figure.layout.xaxis.tickvals)[:3] == [0, 4, 8]
    assert figure.data[0].texttemplate is None


def test_counts_of_another_shape_are_refused():
    """The error says both shapes."""
    with pytest.raises(ValueError, match=r"\(3, 3\).*\(2, 3\)"):
        confusion.figure(COUNTS[:2], CLASSES, title="A")
