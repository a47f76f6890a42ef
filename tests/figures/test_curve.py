"""The static picture of curves: every measured value is there, and nothing else is."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from explorer.figures import curve
from explorer.figures.curve import Curve, Peak

X = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
Y = np.array([1.0, 2.0, 3.0, 2.0, 1.5])


def drawn(*curves: Curve, log: bool = False) -> go.Figure:
    return curve.figure(curves, x_title="t", y_title="loss", title="A to B", footnote="512 samples", log=log)


def trace(figure: go.Figure, name: str) -> go.Scatter:
    (found,) = (one for one in figure.data if one.name == name)
    return found


def test_points_in_any_order_are_joined_by_rising_x():
    """Adaptive sampling measures the middle first; the line still runs from left to right."""
    order = [2, 0, 4, 1, 3]
    line = trace(drawn(Curve("loss", X[order], Y[order])), "loss")
    assert line.x.tolist() == X.tolist()
    assert line.y.tolist() == Y.tolist()
    assert line.x.dtype == line.y.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_diverged_point_is_a_gap_with_a_mark(bad: float):
    """NaN is neither joined over nor replaced, and the picture says where it was."""
    figure = drawn(Curve("loss", X, np.where(X == 0.75, bad, Y)))
    line = trace(figure, "loss")
    assert np.isnan(line.y[3])
    assert np.isfinite(np.delete(line.y, 3)).all()
    assert not line.connectgaps
    (mark,) = (note for note in figure.layout.annotations if "diverged" in note.text)
    assert mark.x == 0.75


def test_band_encloses_each_stretch_and_leaves_the_gap_open():
    """The outline goes along the upper edge and back along the lower one, once per stretch."""
    hole = np.where(X == 0.5, np.nan, 1.0)
    band = trace(drawn(Curve("loss", X, Y * hole, (Y - 0.5) * hole, (Y + 0.5) * hole)), "loss, 95 % band")
    np.testing.assert_array_equal(band.x, [0, 0.25, 0.25, 0, np.nan, 0.75, 1, 1, 0.75, np.nan])
    np.testing.assert_array_equal(band.y, [1.5, 2.5, 1.5, 0.5, np.nan, 2.5, 2.0, 1.0, 1.5, np.nan])
    assert band.fill == "toself"


def test_chord_joins_the_end_values():
    """The straight line of the barrier's definition starts and ends at the given values."""
    chord = trace(drawn(Curve("loss", X, Y, chord=(1.0, 1.5))), "loss, straight line between the ends")
    assert (chord.x[0], chord.y[0], chord.x[-1], chord.y[-1]) == (0, 1, 1, 1.5)
    np.testing.assert_allclose(chord.y, 1 + 0.5 * chord.x, atol=1e-6)


@pytest.mark.parametrize("log", [False, True])
def test_bracket_spans_the_barrier_and_its_label_points_at_its_top(log: bool):
    """The bracket runs from the chord to the curve; annotations of a log axis are placed in decades."""
    figure = drawn(Curve("loss", X, Y, peak=Peak(0.5, 1.25, 3.0, "barrier 1.75")), log=log)
    bracket = trace(figure, "barrier")
    assert bracket.x.tolist() == [0.5, 0.5]
    assert bracket.y.tolist() == [1.25, 3.0]
    (label,) = labels(figure)
    assert label.x == 0.5
    assert (10**label.y if log else label.y) == pytest.approx(3.0)
    assert figure.layout.yaxis.type == ("log" if log else "linear")


def labels(figure: go.Figure) -> list[go.layout.Annotation]:
    return [note for note in figure.layout.annotations if note.text.startswith("barrier")]


def peaked(name: str, height: float) -> Curve:
    return Curve(name, X, 1 + height * np.sin(np.pi * X), chord=(1.0, 1.0), peak=Peak(0.5, 1.0, 1 + height, f"barrier {height}"))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("heights", [(2.0, 0.355), (0.355, 0.36, 2.0), (0.0, 0.001, 0.002, 0.003, 1.0, 1.0, 1.0, 1.0)])
def test_every_label_is_joined_to_its_own_curve_in_its_colour_and_none_meets_another(heights: tuple[float, ...], log: bool):
    """Rows are a label's height apart, so the width of the picture does not matter; arrow and text have the curve's colour."""
    figure = drawn(*(peaked(f"curve {i}", height) for i, height in enumerate(heights)), log=log)
    low, high = figure.layout.yaxis.range
    found = labels(figure)
    for i, (label, height) in enumerate(zip(found, heights, strict=True)):
        assert label.text == f"barrier {height}"
        assert label.y == pytest.approx(np.log10(1 + height) if log else 1 + height)
        assert label.arrowcolor == trace(figure, f"curve {i}").line.color
        assert contrast(label.font.color) >= 4.5
    px = sorted((high - label.ay) / (high - low) * curve.PLOT for label in found)
    assert np.diff(px).min() >= 20
    assert px[0] >= 10
    assert px[-1] <= curve.PLOT - 10


def contrast(colour: str) -> float:
    """With white (WCAG 1.4.3)."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return 1.05 / (float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)


def test_names_are_text_and_not_markup():
    """A checkpoint may be called anything."""
    figure = drawn(Curve("<a href='x'>A</a>", X, Y))
    assert all("<a" not in (one.name or "") for one in figure.data)


def test_no_points_yet_is_an_empty_picture():
    """A run that has just begun has a figure too."""
    none = np.array([])
    assert len(trace(drawn(Curve("loss", none, none, none, none, chord=(1.0, 2.0))), "loss").x) == 0


def test_footnote_stands_under_the_plot():
    """What was measured, on what, travels with the picture."""
    (note,) = drawn(Curve("loss", X, Y)).layout.annotations
    assert note.text == "512 samples"
    assert (note.yref, note.yanchor, note.y) == ("paper", "top", 0)


def test_page_is_self_contained_and_shares_nothing():
    """The exported page holds plotly.js itself, and no button that uploads the chart."""
    page = curve.html(drawn(Curve("loss", X, Y)))
    assert '"showSendToCloud": false' in page
    assert "<script src=" not in page
    assert '<script charset="utf-8" src=' not in page
    assert len(page) > 1_000_000


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"y": Y[:3]}, "expected y of shape"),
        ({"low": Y}, "one edge"),
        ({"low": Y, "high": Y[:2]}, "expected high of shape"),
        ({"x": np.where(X == 0.5, np.nan, X)}, "without a finite x"),
    ],
)
def test_a_curve_that_does_not_fit_together_is_refused(wrong: dict[str, np.ndarray], said: str):
    """The error names the curve and the part."""
    with pytest.raises(ValueError, match=f"'loss'.*{said}"):
        Curve(**{"name": "loss", "x": X, "y": Y} | wrong)


@pytest.mark.parametrize("level", [0.00102891, 1.0, 300.0, -4.0])
def test_a_curve_that_is_constant_up_to_rounding_is_flat(level: float):
    """Values that arithmetic cannot tell apart fill a thousandth of the axis at most, and not all of it."""
    low, high = drawn(Curve("loss", X, level * (1 + 8e-15 * Y))).layout.yaxis.range
    assert low < level < high
    assert high - low >= abs(level)


@pytest.mark.parametrize("noise", [0.0, 8e-18])
def test_a_curve_at_zero_is_flat(noise: float):
    """Zero has no level; what is left of sums that cancel is not drawn as a mountain either."""
    low, high = drawn(Curve("loss", X, noise * Y)).layout.yaxis.range
    assert (low, high) == (-1, 1)


def test_a_small_true_difference_is_seen():
    """A difference of a thousandth of the level fills the axis."""
    low, high = drawn(Curve("loss", X, 1 + 1e-3 * Y)).layout.yaxis.range
    assert high - low < 3e-3
