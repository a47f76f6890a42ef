"""Maps of models whose basins are known."""

import numpy as np
import pytest

from explorer.stats.model_map import Rises, as_sizes, basins, first_pairs, foretold, heights, next_pairs, places, rises
from explorer.stats.model_pairs import Middles, every_pair
from explorer.stats.spanning_tree import passes, spanning_tree


def three_groups(per=12, seed=0):
    """Models in three groups in ten dimensions, and the true rise of every pair: small within a group, large between, and a noisy distance of predictions."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((3, 10)) * 6
    at = np.concatenate([c + rng.standard_normal((per, 10)) for c in centres])
    group = np.repeat(np.arange(3), per)
    far = np.linalg.norm(at[:, None] - at[None], axis=2)
    rise = np.where(group[:, None] == group, 0.002 * far**2, 0.02 * far**2)
    apart = np.abs(far + 0.3 * rng.standard_normal(far.shape))
    return group, far, (apart + apart.T) / 2 * (1 - np.eye(len(far))), rise


def known(rise, pairs, half=0.0):
    value = rise[pairs[:, 0], pairs[:, 1]]
    return rises(len(rise), pairs, Middles(value, value - half, value + half))


def test_the_first_pairs_join_every_model_to_those_near_it():
    """By each distance the nearest ones and a tree over all; each pair once."""
    _, far, apart, _ = three_groups()
    pairs = first_pairs([far, apart])
    assert len({(int(i), int(j)) for i, j in pairs}) == len(pairs)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    some = known(np.ones_like(far), pairs)
    assert np.isfinite(heights(some)).all()
    for i in range(len(far)):
        nearest = int(np.argsort(far[i])[1])  # after itself
        assert np.isfinite(some.value[i, nearest])


def test_chosen_pairs_find_the_passes_that_all_pairs_have_with_a_third_of_them():
    """And more of them than as many drawn at random do."""
    _, far, apart, rise = three_groups()
    n = len(rise)
    true = passes(spanning_tree(rise), n)
    pairs = first_pairs([far, apart], neighbours=2)
    most = n * (n - 1) // 6
    while len(pairs) < most:
        pairs = np.concatenate([pairs, next_pairs(known(rise, pairs), [far, apart], min(20, most - len(pairs)))])
    assert len({(int(i), int(j)) for i, j in pairs}) == len(pairs) == most
    chosen = heights(known(rise, pairs))
    drawn = heights(known(rise, every_pair(n)[np.random.default_rng(1).permutation(n * (n - 1) // 2)[:most]]))
    off = ~np.eye(n, dtype=bool)
    assert np.abs(chosen - true)[off].mean() < 0.2 * np.abs(drawn - true)[off].mean()
    assert (chosen >= true - 1e-12).all()


def test_what_nothing_joins_is_measured_first():
    """Two parts that no measured line joins, and among the lines between them the one foretold lowest."""
    group, far, _, rise = three_groups(per=6)
    within = np.array([(i, j) for i, j in every_pair(18) if (group[i] == group[j]) or {group[i], group[j]} == {0, 1}])
    chosen = next_pairs(known(rise, within), [far], 3)
    assert all((group[i] == 2) != (group[j] == 2) for i, j in chosen)
    assert len(next_pairs(known(rise, every_pair(18)), [far], 5)) == 0


def test_a_foretold_rise_is_that_of_measured_pairs_alike():
    """Exact for measured ones; of the others within a group low, between groups high."""
    group, far, apart, rise = three_groups()
    pairs = every_pair(36)[::3]
    mean, spread = foretold(known(rise, pairs), [far, apart])
    assert mean[pairs[:, 0], pairs[:, 1]] == pytest.approx(rise[pairs[:, 0], pairs[:, 1]])
    assert (spread[pairs[:, 0], pairs[:, 1]] == 0).all()
    same = (group[:, None] == group) & ~np.eye(36, dtype=bool)
    assert mean[same].max() < mean[group[:, None] != group].min()


def test_places_are_to_scale_where_two_dimensions_hold_them_all():
    """Rises that are squared distances on a plane: no stress, and the true distances, whatever half of the pairs is measured."""
    rng = np.random.default_rng(0)
    true = rng.standard_normal((12, 2))
    far = np.linalg.norm(true[:, None] - true[None], axis=2)
    at, stress = places(known(far**2, every_pair(12)), [far])
    assert np.linalg.norm(at[:, None] - at[None], axis=2) == pytest.approx(far, abs=1e-4)
    assert stress < 1e-6
    group, far, apart, rise = three_groups()
    at, stress = places(known(rise, first_pairs([far, apart])), [far, apart])
    middle = np.array([at[group == g].mean(axis=0) for g in range(3)])
    for g in range(3):
        own = np.linalg.norm(at[group == g] - middle[g], axis=1)
        assert all(np.linalg.norm(middle[g] - middle[h]) > own.mean() for h in range(3) if h != g)
    assert 0 <= stress < 0.5
    assert places(known(rise[:2, :2], np.array([[0, 1]])), [far[:2, :2]])[0].shape == (2, 2)


def test_basins_are_certain_where_intervals_do_not_reach_the_threshold():
    """Surely joined, and perhaps joined."""
    value = np.array([[0.0, 0.1, 1.0], [0.1, 0.0, 0.3], [1.0, 0.3, 0.0]])
    some = Rises(value, value - 0.15 * (value == 0.3), value + 0.15 * (value == 0.3))
    assert basins(some, 0.2) == ([0, 0, 1], [0, 0, 0])
    assert basins(some, 0.5) == ([0, 0, 0], [0, 0, 0])
    assert basins(some, 0.05) == ([0, 1, 2], [0, 1, 2])
    assert heights(some)[0, 2] == 0.3


def test_a_line_that_falls_in_its_middle_rises_by_nothing():
    """And what is not measured stays unknown."""
    found = rises(3, np.array([[0, 1]]), Middles(np.array([-0.2]), np.array([-0.3]), np.array([0.1])))
    assert (found.value[0, 1], found.low[1, 0], found.high[0, 1]) == (0.0, 0.0, 0.1)
    assert np.isnan(found.value[0, 2])


def test_areas_are_in_proportion_to_what_is_drawn_by_size():
    """Below nought is nothing; what is not finite is the largest; of nothing but noughts all are the same."""
    assert as_sizes([1.0, 4.0, -2.0, float("nan")]).tolist() == [0.5, 1.0, 0.0, 1.0]
    assert as_sizes([0.0, 0.0]).tolist() == [0.0, 0.0]
