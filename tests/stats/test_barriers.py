"""Barriers with known answers, and intervals that cover."""

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.stats import barriers
from explorer.stats.barriers import above_line, band, barrier, difference, highest, reduction, verdict


def points_of(t, loss_per_sample, blocks=None):
    """Points from an array (K, n) of per-sample losses, n samples cut into blocks round robin."""
    loss = np.asarray(loss_per_sample, dtype=float)
    n = loss.shape[1]
    block = np.arange(n) % (blocks or n)
    sums = np.stack([np.bincount(block, weights=row, minlength=block.max() + 1) for row in loss])
    return Points(np.asarray(t, dtype=float)[:, None], sums[:, None, :], np.bincount(block).astype(float))


T = np.linspace(0, 1, 11)


def test_double_well_has_barrier_one_in_the_middle():
    """L = (w² − 1)² from w = −1 to w = 1: barrier 1 at t = ½, under every definition (ends are 0)."""
    w = 2 * T - 1
    found = barrier(points_of(T, ((w**2 - 1) ** 2)[:, None].repeat(8, axis=1)))
    assert found.height.value == pytest.approx(1.0)
    assert found.at == 0.5
    assert found.height.low == found.height.high == pytest.approx(1.0)
    for _, other in found.others:
        assert other.value == pytest.approx(1.0)


def test_a_parabola_on_one_line_has_no_barrier():
    """Convex loss: nothing rises above the chord, and the barrier is 0, not negative."""
    found = barrier(points_of(T, ((T - 0.3) ** 2)[:, None].repeat(4, axis=1)))
    assert found.height.value == 0.0


def test_quadratic_between_unequal_ends_in_closed_form():
    """L(t) = a t + c t (1−t): the chord takes a t away, and c/4 at t = ½ is left; max − worse end differs and is listed by name."""
    a, c = 0.4, 2.0
    found = barrier(points_of(T, (a * T + c * T * (1 - T))[:, None].repeat(3, axis=1)))
    assert found.height.value == pytest.approx(c / 4)
    others = dict(found.others)
    highest = (a * T + c * T * (1 - T)).max()
    assert others["max L(t) − worse end"].value == pytest.approx(highest - a)
    assert others["max L(t) − mean of the ends"].value == pytest.approx(highest - a / 2)


def test_order_of_the_points_is_irrelevant():
    """Points arrive coarse to fine; the number does not depend on it."""
    rng = np.random.default_rng(0)
    loss = rng.normal(size=(11, 40)) + 3
    order = rng.permutation(11)
    assert barrier(points_of(T, loss)) == barrier(points_of(T[order], loss[order]))


def test_swapping_the_ends_mirrors_the_place_and_keeps_the_height():
    """B(A, B) = B(B, A)."""
    rng = np.random.default_rng(1)
    loss = rng.normal(size=(11, 30)) + (4 * T * (1 - T))[:, None]
    there, back = barrier(points_of(T, loss)), barrier(points_of(1 - T, loss))
    assert back.height.value == pytest.approx(there.height.value)
    assert back.at == pytest.approx(1 - there.at)


def test_a_missing_or_diverged_end_gives_no_barrier():
    """Without both ends there is no line to compare with."""
    loss = np.ones((11, 4))
    assert barrier(points_of(T[1:], loss[1:])) is None
    loss[0] = np.nan
    assert barrier(points_of(T, loss)) is None


def test_a_diverged_point_inside_is_left_out_and_counted():
    """NaN is neither repaired nor ignored in silence."""
    loss = (4 * T * (1 - T))[:, None].repeat(4, axis=1)
    loss[5] = np.nan
    found = barrier(points_of(T, loss))
    assert found.diverged == 1
    assert found.height.value == pytest.approx(4 * 0.4 * 0.6)


def test_pairing_sees_a_tiny_rise_that_the_spread_of_losses_hides():
    """Losses vary by 1 between samples, the rise by 0.001: the paired interval excludes zero."""
    rng = np.random.default_rng(2)
    base = rng.exponential(size=2000)
    loss = base[None, :] + 0.02 * (T * (1 - T))[:, None] * (1 + 0.1 * rng.normal(size=2000))
    found = barrier(points_of(T, loss, blocks=256))
    assert found.height.low > 0
    assert found.height.high - found.height.low < 0.001
    low, high = band(points_of(T, loss, blocks=256))
    assert (high - low).min() > 0.05


@pytest.mark.parametrize(("true", "counted"), [(0.0, False), (0.0, True), (1.0, False)])
def test_the_interval_holds_the_true_barrier_and_none_is_seen_where_there_is_none(true, counted):
    """200 worlds, 11 points with noise of their own. Looking for the highest of noisy points is no evidence of a barrier, and the estimate is not far off either way."""
    shape, held, alarms, off = 4 * T * (1 - T), 0, 0, []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        base = rng.exponential(size=400)[None, :]
        loss = (base + 0.05 * rng.normal(size=(11, 400)) * shape[:, None]) + true * shape[:, None] * rng.gamma(4, 0.25, size=400)[None, :]
        if counted:  # each sample wrong or not, at every point afresh with the same small chance
            loss = (rng.random((11, 400)) < 0.01).astype(float)
        found = barrier(points_of(T, loss, blocks=200)).height
        held += found.low <= true <= found.high
        alarms += found.low > 0
        off.append((found.value - true) / (found.high - found.low))
    assert held >= 0.93 * 200
    assert alarms <= 0.04 * 200 or true  # 2.5 % of many
    assert abs(np.median(off)) < 0.2


def test_what_a_barrier_is_called():
    """By its interval, and by what counts as none; an open case says how many samples would tell and what these can show."""
    rng = np.random.default_rng(0)
    shape = (4 * T * (1 - T))[:, None]

    def called(height, noise, n=400):
        return verdict(barrier(points_of(T, 1 + shape * (height + noise * rng.normal(size=n))[None])), 0.02)

    assert called(0.3, 0.2).kind == "barrier"
    assert called(0.0, 0.01).kind == "connected"
    assert called(0.012, 0.01).kind == "connected"  # there, and negligible
    unsure = called(0.03, 1.0)
    assert unsure.kind == "open"
    assert unsure.needed > 400 and unsure.detectable > 0.02
    single = verdict(barrier(points_of(T, 1 + shape)), 0.02)
    assert single.kind == "open" and single.needed is None
    holed = 1 + shape * np.ones((1, 50)) * 0.001
    holed[4, 3] = np.inf
    assert verdict(barrier(points_of(T, holed)), 0.02).kind == "barrier"


def test_the_number_of_samples_that_is_named_tells():
    """An open case of 100 samples, measured again on as many as it asks for: decided in most worlds."""
    shape, decided, asked = (4 * T * (1 - T))[:, None], 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)

        def judged(n, rng=rng):
            return verdict(barrier(points_of(T, 1 + shape * (0.06 + 0.5 * rng.normal(size=n))[None], blocks=min(n, 256))), 0.02)

        first = judged(100)
        if first.kind == "open" and first.needed and first.needed < 20000:
            asked += 1
            decided += judged(first.needed).kind != "open"
    assert asked >= 20 and decided >= 0.5 * asked


def test_standard_error_of_the_rise_is_that_of_the_paired_difference():
    """Against the textbook formula, one sample a block."""
    rng = np.random.default_rng(3)
    loss = rng.normal(size=(3, 200))
    _, error = above_line(points_of([0, 0.5, 1], loss))
    paired = loss[1] - (loss[0] + loss[2]) / 2
    assert error[1] == pytest.approx(paired.std(ddof=1) / np.sqrt(200))
    assert error[0] == error[2] == 0


def test_difference_of_a_point_with_itself_is_zero_without_doubt():
    """A paired interval of nothing is nothing."""
    p = points_of([0.0], np.random.default_rng(0).normal(size=(1, 50)))
    e = difference(p, p)
    assert (e.value, e.low, e.high) == (0, 0, 0)


def test_the_reduction_of_a_barrier_is_paired():
    """Two paths measured on the same samples: the common part of the noise cancels, and the interval holds the true difference."""
    rng = np.random.default_rng(4)
    t = np.linspace(0, 1, 5)
    noise = rng.normal(size=(1, 64)) * np.array([0, 1, 2, 1, 0])[:, None] * 3.0

    def path(height):
        values = 10.0 + height * 10 * (4 * t * (1 - t))[:, None] + noise
        return Points(t[:, None], values[:, None], np.full(64, 10.0))

    found = reduction(path(2.0), path(0.5))
    assert found.value == pytest.approx(1.5)
    assert found.low == pytest.approx(1.5)
    assert found.high == pytest.approx(1.5)
    assert reduction(path(1.0), path(1.0)).value == 0
    unfinished = path(1.0)
    assert reduction(path(1.0), Points(unfinished.coords[:3], unfinished.values[:3], unfinished.counts)) is None


def test_the_reduction_agrees_with_the_two_barriers():
    """Its value is the difference of their heights, and its interval is about as wide as independent noise makes it."""
    t = np.linspace(0, 1, 9)

    def path(height, seed):
        own = np.random.default_rng(seed).normal(size=(9, 128))
        return Points(t[:, None], (20 + height * 20 * (4 * t * (1 - t))[:, None] + own)[:, None], np.full(128, 20.0))

    before, after = path(1.0, 1), path(0.2, 2)
    found = reduction(before, after)
    assert found.value == pytest.approx(barrier(before).height.value - barrier(after).height.value)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(0.8, abs=0.05)


def test_the_highest_point_is_no_higher_for_being_looked_for():
    """Two equal points with opposite noise: the higher mean is too high, the estimate is not, and the interval holds the truth."""
    found = []
    for seed in range(100):
        noise = np.random.default_rng(seed).normal(size=64)
        found.append(highest(Points(np.array([[0.0], [1.0]]), np.stack([1 + noise, 1 - noise])[:, None], np.ones(64))))
    assert np.mean([f.low <= 1 <= f.high for f in found]) >= 0.93
    assert abs(np.median([f.value for f in found]) - 1) < 0.03


def test_a_point_without_a_finite_value_is_not_the_highest():
    """It is left out."""
    points = Points(np.array([[0.0], [1.0]]), np.array([[[1.0, 2.5]], [[np.inf, 1.0]]]), np.ones(2))
    assert highest(points).value == 1.75


def test_a_barrier_is_worked_out_once_for_the_same_points(monkeypatch):
    """Points that are equal give the same answer without new work; another value, metric or name is another barrier."""
    asked = []
    monkeypatch.setattr(barriers, "_barriers", {})
    monkeypatch.setattr(barriers, "_worked_out", lambda *given, plain=barriers._worked_out: asked.append(1) or plain(*given))
    values = np.random.default_rng(0).random((11, 64))
    first = barrier(points_of(T, values))
    assert barrier(points_of(T, values)) is first and len(asked) == 1
    values[3] += 9.0
    assert barrier(points_of(T, values)).height.value > first.height.value and len(asked) == 2
    assert barrier(points_of(T, values), name="error").metric == "error" and len(asked) == 3
