"""CKA and Procrustes of features whose likeness is known."""

import numpy as np
import pytest

from explorer.stats.representations import centred, cka, procrustes, unbiased

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
