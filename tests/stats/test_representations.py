"""CKA and Procrustes of features whose likeness is known."""

import numpy as np
import pytest

from explorer.stats.representations import centred, cka, cka_intervals, procrustes, procrustes_intervals, unbiased

RNG = np.random.default_rng(0)


def inner(*features):
    return [x @ x.T for x in features]


def three(*features):
    """All three between all features."""
    grams = inner(*features)
    middle = np.stack([centred(k) for k in grams])
    return cka(middle), cka(np.stack([unbiased(k) for k in grams])), procrustes(middle)


def test_turned_scaled_and_shifted_features_are_the_same():
    """In a space of their own dimension or of a larger one."""
    x = RNG.standard_normal((60, 10)) * np.arange(1, 11)
    turn = np.linalg.qr(RNG.standard_normal((16, 16)))[0][:10]
    for found in three(x, 3.0 * x @ turn + 7.0):
        assert found == pytest.approx(np.ones((2, 2)))


def test_independent_features_have_nothing_in_common_but_for_the_bias():
    """Debiased about 0; plain CKA of few samples and many units is near p / (n + p) all the same."""
    plain, debiased, _ = three(*(RNG.standard_normal((100, 400)) for _ in range(8)))
    off = ~np.eye(8, dtype=bool)
    assert abs(debiased[off].mean()) < 0.01
    assert np.abs(debiased[off]).max() < 0.05
    assert plain[off].min() > 0.7


def test_plain_cka_is_its_formula_in_features():
    """Kornblith et al., equation 4; Procrustes by its singular values; debiased by sums over all quadruples' formula of Song et al."""
    x, y = RNG.standard_normal((12, 3)), RNG.standard_normal((12, 5)) + 2.0
    y[:, :3] += x
    plain, debiased, turned = three(x, y)
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    assert plain[0, 1] == pytest.approx(np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))
    assert turned[0, 1] == pytest.approx(np.linalg.svd(b.T @ a)[1].sum() / (np.linalg.norm(a) * np.linalg.norm(b)))

    def hsic(k, m):
        n = len(k)
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        one = np.ones(n)
        return (np.trace(k @ m) + one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))

    k, m = inner(x, y)
    assert debiased[0, 1] == pytest.approx(hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m)))


def test_the_debiased_estimate_does_not_depend_on_the_number_of_samples():
    """Of features that share half of their units: 0.5 of many samples as of few, on average."""

    def of(n, seed):
        rng = np.random.default_rng(seed)
        shared = rng.standard_normal((n, 20))
        return three(*(np.hstack([shared, rng.standard_normal((n, 20))]) for _ in range(2)))[1][0, 1]

    assert np.mean([of(40, s) for s in range(40)]) == pytest.approx(0.5, abs=0.05)
    assert of(2000, 0) == pytest.approx(0.5, abs=0.03)


def test_what_does_not_vary_is_compared_with_nothing():
    """NaN; and too few samples are refused."""
    plain, debiased, turned = three(RNG.standard_normal((10, 3)), np.ones((10, 2)))
    for found in (plain, debiased, turned):
        assert np.isnan(found[0, 1])
        assert found[0, 0] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="4 samples"):
        unbiased(np.eye(3))


def halves(n, seed, units=20):
    """Centred and unbiased inner products of two representations that share half of their units: every similarity of all samples is 1/2."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, units))
    grams = inner(*(np.hstack([shared, rng.standard_normal((n, units))]) for _ in range(2)))
    return np.stack([centred(k) for k in grams]), np.stack([unbiased(k) for k in grams])


def test_intervals_stand_around_the_same_numbers():
    """Of all three; a representation with itself has no width, and one that does not vary no number."""
    middle, unbias = halves(60, 0)
    for found, value in (
        (cka_intervals(middle), cka(middle)),
        (cka_intervals(unbias), cka(unbias)),
        (procrustes_intervals(middle), procrustes(middle)),
    ):
        assert found.value == pytest.approx(value)
        assert found.low[0, 1] < value[0, 1] < found.high[0, 1]
        assert found.low == pytest.approx(found.low.T)
        assert found.low[0, 0] == found.high[0, 0] == pytest.approx(1.0)
    still = np.stack([middle[0], np.zeros_like(middle[0])])
    assert np.isnan(cka_intervals(still).low[0, 1])
    assert np.isnan(procrustes_intervals(still).high[0, 1])


@pytest.mark.parametrize("which", ["plain", "debiased", "procrustes"])
def test_the_influence_is_what_leaving_a_sample_out_changes(which):
    """Against the jackknife that computes everything again without each sample: standard errors within a tenth."""
    n, rng = 80, np.random.default_rng(1)
    x = rng.standard_normal((n, 6))
    y = x @ rng.standard_normal((6, 4)) + rng.standard_normal((n, 4))
    make = unbiased if which == "debiased" else centred
    of = procrustes if which == "procrustes" else cka
    ends = (procrustes_intervals if which == "procrustes" else cka_intervals)(np.stack([make(k) for k in inner(x, y)]))
    kept = [np.arange(n) != i for i in range(n)]
    left_out = np.array([of(np.stack([make(k) for k in inner(x[rows], y[rows])]))[0, 1] for rows in kept])
    slow = np.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum())
    fast = (np.arctanh(ends.high[0, 1]) - np.arctanh(ends.low[0, 1])) / 2 / 1.959964 * (1 - ends.value[0, 1] ** 2)
    assert fast == pytest.approx(slow, rel=0.1)


@pytest.mark.parametrize("n", [50, 200])
def test_intervals_of_debiased_cka_hold_the_value_of_all_samples(n):
    """In about 95 % of 200 draws; plain CKA is too high of few samples, and its interval misses it."""
    drawn = [halves(n, seed) for seed in range(200)]
    held = [cka_intervals(unbias) for _, unbias in drawn]
    assert 0.91 <= np.mean([h.low[0, 1] <= 0.5 <= h.high[0, 1] for h in held]) <= 0.995
    biased = [cka_intervals(middle) for middle, _ in drawn]
    assert np.mean([h.value[0, 1] for h in biased]) > 0.5 + 0.5 * 20 / n
    assert np.mean([h.low[0, 1] <= 0.5 for h in biased]) < 0.6


def test_of_independent_features_the_interval_holds_nought():
    """Where the influences vanish as well, it is wider than it must be, and no narrower."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        each = cka_intervals(np.stack([unbiased(k) for k in inner(rng.standard_normal((100, 30)), rng.standard_normal((100, 30)))]))
        found.append(each.low[0, 1] <= 0.0 <= each.high[0, 1])
    assert np.mean(found) >= 0.95
