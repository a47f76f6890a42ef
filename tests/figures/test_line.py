"""A measured line in curves and numbers."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Loaded, Method, ProblemSpec
from explorer.figures import line

FIELD = Field(
    ProblemSpec(Method("mlp"), Method("digits"), name="p", title="P"),
    (Loaded("aa", name="A"), Loaded("bb", name="B")),
    registry.method("chart", "line"),
)
T = np.linspace(0, 1, 5)


def points(rise, noise=0.0, n=64):
    """Loss 1 at the ends and `rise` above it in the middle; error a tenth of the loss."""
    rng = np.random.default_rng(0)
    loss = 1 + 4 * rise * (T * (1 - T))[:, None] + noise * rng.normal(size=(5, n)) * (T * (1 - T))[:, None]
    return Points(T[:, None], np.stack([loss, loss / 10], axis=1), np.ones(n))


def test_the_curve_holds_the_means_its_chord_and_its_barrier():
    """What is drawn is what was measured."""
    curve = line.curve(FIELD, points(0.5), "loss")
    assert curve.y == pytest.approx([1, 1.375, 1.5, 1.375, 1])
    assert curve.chord == (1, 1)
    assert (curve.peak.x, curve.peak.foot, curve.peak.top) == pytest.approx((0.5, 1.0, 1.5))


def test_the_title_says_which_kind_of_path_it_is():
    """Only a straight line is called one."""
    curved = replace(FIELD, corners=(FIELD.corners[0], Loaded("cc", name="bend"), FIELD.corners[1]), chart=registry.method("chart", "bezier"))
    titles = [" ".join(line.figure_of(field, points(0.5), "loss").layout.title.text.split("<br>")) for field in (FIELD, curved)]
    assert titles == ["A → B: loss along the straight line", "A → B: loss along a curved path"]


def test_errors_are_drawn_in_percent():
    """10 % is 10, on the curve and on the bracket."""
    curve = line.curve(FIELD, points(0.5), "error")
    assert curve.y[0] == pytest.approx(10)
    assert curve.peak.top == pytest.approx(15)


def test_without_points_there_is_an_empty_curve():
    """The picture exists before the first point does."""
    nothing = Points(np.empty((0, 1)), np.empty((0, 2, 64)), np.ones(64))
    assert len(line.curve(FIELD, nothing, "loss").x) == 0


def test_the_table_has_the_measured_numbers_by_rising_t():
    """For a file: nothing interpolated, nothing in percent."""
    shuffled = points(0.5)
    order = [3, 0, 4, 1, 2]
    table = line.table(FIELD, Points(shuffled.coords[order], shuffled.values[order], shuffled.counts))
    assert table["t"].tolist() == T.tolist()
    assert table["error"] == pytest.approx([0.1, 0.1375, 0.15, 0.1375, 0.1])
    assert set(table) == {"t", "loss", "loss_low", "loss_high", "error", "error_low", "error_high"}


def test_the_report_picture_says_what_a_reader_must_know():
    """Samples, split, band and batch norm stand under the picture."""
    text = line.figure_of(FIELD, points(0.5), "loss").to_json().replace("\\u003cbr\\u003e", " ").replace("<br>", " ")
    for words in ("5 measured points", "64 test samples", "recalibrated"):
        assert words in text
