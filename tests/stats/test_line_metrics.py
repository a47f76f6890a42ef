"""The barrier of metrics of either direction, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.stats import barriers, metrics
from explorer.stats.line_metrics import barrier_of, reduction_of, span, worst

HIGH, LOW, ANY = "f1@high-0", "mae@low-0", "f1@any-0"
COUNTS = np.full(8, 10.0)


def line(*values: float) -> Points:
    """A path with these means of one metric, the same in every block."""
    t = np.linspace(0, 1, len(values))[:, None]
    return Points(t, np.array(values)[:, None, None] * COUNTS, COUNTS)


def test_a_fall_of_what_should_be_high_is_a_barrier_in_its_own_values():
    """0.9 → 0.4 → 0.7: 0.4 below the chord's 0.8; ends and peak stay as they are."""
    found = barrier_of(line(0.9, 0.4, 0.7), (HIGH,), HIGH)
    assert found is not None
    assert (found.height.value, found.at, *found.ends, found.peak) == pytest.approx((0.4, 0.5, 0.9, 0.7, 0.4))


def test_a_rise_of_what_should_be_low_is_the_plain_barrier():
    """Nothing is turned round."""
    points = line(0.1, 0.8, 0.3)
    assert barrier_of(points, (LOW,), LOW) == barriers.barrier(points, 0, name=LOW)


def test_what_is_neither_better_nor_worse_has_none():
    """And a metric that only this process's owner knows is found by its name alone."""
    assert barrier_of(line(0.1, 0.8, 0.3), (ANY,), ANY) is None
    assert metrics.find(HIGH).called == "f1" and metrics.find(HIGH).good == "high" and metrics.is_own(HIGH)
    assert not metrics.is_own("error") and metrics.short(LOW) == "mae"


def test_a_reduction_is_that_of_the_barriers():
    """0.4 before, 0.1 after."""
    found = reduction_of(line(0.9, 0.4, 0.7), line(0.9, 0.7, 0.7), (HIGH,), HIGH)
    assert found is not None and found.value == pytest.approx(0.3)


def test_the_span_of_values_is_from_the_lowest_to_the_highest_mean():
    """Whichever are the better ones; the worst value is that end of it at which models are worse."""
    points = line(0.9, 0.4, 0.7)
    assert [end.value for end in span(points, (ANY,), ANY)] == pytest.approx([0.4, 0.9])
    assert worst(points, (HIGH,), HIGH) == span(points, (HIGH,), HIGH)[0]
    assert worst(points, (LOW,), LOW) == span(points, (LOW,), LOW)[1]
