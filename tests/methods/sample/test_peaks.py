"""Peaks that cannot hide: the adaptive sampler against a scan of 501 points, on curves whose peaks are known."""

from functools import partial

import numpy as np
import pytest

from benchmarks import peaks
from explorer.core.points import Points
from explorer.methods.sample import adaptive
from explorer.stats.between_points import CLOSEST
from explorer.stats.hidden_peaks import hidden

EVERY = {**peaks.SMOOTH, **peaks.ROUGH}


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("shift", [0.0, 0.017])
@pytest.mark.parametrize("name", EVERY)
def test_the_height_is_within_one_percent_of_a_dense_scan(name, shift, noise):
    """One to five maxima, a plateau, a kink, a jump and a hole, on noise and without: 501 points find no more, and it is told that nothing is open."""
    curve = partial(EVERY[name], shift=shift)
    points = peaks.sampled(curve, noise)
    assert peaks.short(points, curve, noise) < 0.01
    found = hidden(points)
    assert found is not None
    assert found.settled
    assert len(points) < 151, "ended by itself"
    assert np.diff(points.coords[:, 0]).min() >= CLOSEST / 2


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_a_narrow_peak_is_found_or_told(noise):
    """Wherever a peak lies and however narrow it is: its height is found, or a peak of its width is said to be able to hide."""
    rng, missed = np.random.default_rng(1), 0
    for _ in range(100):
        at, width, hill = rng.uniform(0.06, 0.94), 10 ** rng.uniform(-2.5, -1.0), rng.choice([0.0, 0.5])

        def curve(t, at=at, width=width, hill=hill):
            y = peaks.bell(t, at, width) + hill * peaks.bell(t, 0.45, 0.2)
            ends = peaks.bell(np.array([0.0, 1.0]), at, width) + hill * peaks.bell(np.array([0.0, 1.0]), 0.45, 0.2)
            return y - (1 - t) * ends[0] - t * ends[1]

        points = peaks.sampled(curve, noise)
        if peaks.short(points, curve, noise) > max(0.01, 0.1 * noise):
            found, missed = hidden(points), missed + 1
            assert found is not None
            assert found.width >= peaks.FULL * width
    assert 0 < missed < 50, "some hide, most do not"


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_the_width_that_may_hide_is_where_it_begins_to_show(noise):
    """A second peak as high as the barrier, in a widest gap beside it: somewhat narrower than told it changes nothing, somewhat wider it is looked into."""
    curve = partial(peaks.bell, at=0.25, width=0.08)
    known = peaks.sampled(curve, noise)
    found, t = hidden(known), known.coords[:, 0]
    assert found is not None
    assert np.array_equal(t[-4:], [0.625, 0.75, 0.875, 1.0]), "the widest gaps"
    for share, seen in ((0.9, False), (1.1, True)):
        width = share * found.width / peaks.FULL
        with_another = peaks.measured(t, lambda t, w=width: curve(t) + found.height * peaks.bell(t, 0.8125, w), noise)
        assert bool(len(adaptive.ask(with_another, 1))) == seen


def test_two_second_differences_that_vanish_do_not_settle_a_gap():
    """Four points in a row on a straight line, beside a sharp edge: the left-out points disagree, and the gap between them is looked into."""
    t, y = np.linspace(0, 1, 9), np.array([0.0, 0.0, 0.02, 0.04, 0.06, 0.08, 0.0, 0.0, 0.0])
    asked = adaptive.ask(peaks.measured(t, lambda x: np.interp(x, t, y), 0.0), 100)[:, 0]
    assert {0.3125, 0.4375, 0.5625} & set(asked), "a gap whose both second differences vanish"


def test_it_stops_at_its_budget_and_says_so():
    """Five bumps with 15 points are not settled; with as many as it wants they are."""
    curve = peaks.SMOOTH["five bumps"]
    few = peaks.sampled(curve, 0.01, partial(adaptive.ask, budget=15))
    found, enough = hidden(few), hidden(peaks.sampled(curve, 0.01))
    assert len(few) == 15
    assert found is not None
    assert enough is not None
    assert not found.settled
    assert enough.settled
    assert adaptive.left(few, budget=15) == 0
    assert max(found.above, found.error) > 5 * max(enough.above, enough.error)


def test_several_points_at_once_find_what_one_by_one_finds():
    """Eight workers are asked for the eight most urgent places, at a cost of half as much again at most."""
    curve, done = peaks.SMOOTH["four bumps"], np.empty(0)
    alone = peaks.sampled(curve, 0.02)
    while len(todo := adaptive.ask(peaks.measured(done, curve, 0.02), 8)):
        done = np.sort(np.concatenate([done, todo[:, 0]]))
    assert peaks.short(peaks.measured(done, curve, 0.02), curve, 0.02) < 0.01
    assert len(done) <= 1.5 * len(alone)


def test_without_ends_or_middle_nothing_is_claimed():
    """No straight line, no gaps."""
    assert hidden(peaks.measured(np.array([0.0, 0.5]), lambda t: t, 0.0)) is None
    assert hidden(peaks.measured(np.array([0.0, 1.0]), lambda t: t, 0.0)) is None
    assert hidden(peaks.measured(np.array([0.0, 0.5, 1.0]), lambda t: np.where(t > 0.9, np.nan, t), 0.0)) is None
    assert hidden(Points(np.empty((0, 1)), np.empty((0, 1, 4)), np.ones(4))) is None


@pytest.mark.parametrize("level", [0.0, 3.0])
def test_a_loss_that_never_changes_is_settled(level):
    """Exactly constant, or exactly zero: nothing to divide by, nothing open, and only less than rounding could hide."""
    found = hidden(Points(np.linspace(0, 1, 9)[:, None], np.full((9, 1, 4), level), np.ones(4)))
    assert found is not None
    assert found.settled
    assert (found.above, found.width) == (0.0, 0.125)
    assert 0 < found.height < 1e-5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_diverged_is_left_out_of_every_estimate(bad):
    """The gaps on both sides of it are no gaps; a straight line beside it is settled."""
    values = np.ones((9, 1, 4))
    values[4] = bad
    found = hidden(Points(np.linspace(0, 1, 9)[:, None], values, np.ones(4)))
    assert found is not None
    assert found.settled
    assert (found.above, found.error, found.points) == (0.0, 0.0, 9)
