"""Which pairs of many models are measured first, and what a random sample of them says of all."""

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.points import Points
from explorer.stats.model_pairs import between, drawn, every_pair, middles, near, quantile, share
from explorer.stats.soup_analysis import singles


def test_the_tree_of_the_nearest_joins_all_and_the_draw_repeats_nothing():
    """n − 1 pairs; a larger draw begins with a smaller one, and the whole of it is every pair."""
    places = np.array([0.0, 1.0, 10.0, 11.0])
    assert {tuple(p) for p in near(np.abs(np.subtract.outer(places, places))).tolist()} == {(0, 1), (2, 3), (1, 2)}
    assert drawn(30, 50)[:20].tolist() == drawn(30, 20).tolist()
    assert sorted(drawn(30, 10_000).tolist()) == every_pair(30).tolist()


def test_the_rise_in_the_middle_is_that_of_the_line_between_the_two():
    """Known values: 0.5 in the middle of ends 0.1 and 0.3 rises by 0.3; what is not measured has no number."""
    rows = np.concatenate([singles(3), between(3, np.array([[0, 1]]), 0.5)])
    level = np.array([0.1, 0.3, 0.2, 0.5])
    noise = np.random.default_rng(0).normal(size=16) * 0.01
    noise -= noise.mean()
    sums = level[:, None] + noise
    found = middles(Points(rows, sums[:, None], np.ones(16)), every_pair(3), 0)
    assert found.value[0] == pytest.approx(0.3)
    assert found.low[0] <= 0.3 <= found.high[0]
    assert np.isnan(found.value[1:]).all()


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_a_random_sample_covers_the_quantile_and_the_share_of_all(q):
    """In at least 95 % of 600 samples of 80 pairs, within the error of counting 600."""
    rng = np.random.default_rng(1)
    every = rng.exponential(size=5000)
    samples = [rng.choice(every, 80, replace=False) for _ in range(600)]
    held = np.mean([(e := quantile(s, q)).low <= np.quantile(every, q) <= e.high for s in samples])
    shares = np.mean([(e := share(int((s > 1).sum()), 80)).low <= (every > 1).mean() <= e.high for s in samples])
    assert held > 0.93
    assert shares > 0.93


def test_what_is_asked_for_is_every_model_and_every_middle_once():
    """200 models are 200 + 19,900 points; named pairs only those and their ends."""
    ask = registry.find("sample", "pairs")
    assert len(ask(Points(np.empty((0, 200)), np.empty((0, 0, 0)), np.ones(4)), 10**6)) == 200 + 19_900
    some = ask(Points(np.empty((0, 5)), np.empty((0, 0, 0)), np.ones(4)), 100, of=(0, 3, 3, 4))
    assert {tuple(row) for row in some} == {(1, 0, 0, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1), (0.5, 0, 0, 0.5, 0), (0, 0, 0, 0.5, 0.5)}
