"""How certain a topology is: bounds that hold, noise that is found out, and numbers that stay within their intervals."""

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.stats.diagram_distance import bottleneck
from explorer.stats.field_topology import basins, of_points
from explorer.stats.intervals import Means
from explorer.stats.merge_tree import merge_tree
from explorer.stats.neighbour_graph import grid
from explorer.stats.topology_certainty import distances, topology
from explorer.stats.topology_numbers import diagram, smad

BLOCKS = 64


def wells(side):
    """Four wells on [−2, 2]², passes 0.15 and 0.6 above three of them. (side²,) values and places."""
    y, x = np.mgrid[-2 : 2 : side * 1j, -2 : 2 : side * 1j]
    values = 1.5 * ((x**2 - 1) ** 2 / 2 + 0.1 * x + 0.15 * (y**2 - 1) ** 2 + 0.05 * y) + 1
    return values.ravel(), np.stack([x.ravel(), y.ravel()], axis=1)


def measured(values, places, seed, samples=400, rough=0.2):
    """Means over samples of the values and noise: common to all points, smooth over the plane and larger higher up, and each point's own."""
    rng = np.random.default_rng(seed)
    waves = np.cos(rng.standard_normal((24, 2)) * 1.5 @ places.T + rng.uniform(0, 6.3, (24, 1)))
    noise = (rng.standard_normal((samples, 24)) @ waves) * 0.12 * values + rng.standard_normal((samples, 1))
    seen = values + noise + rough * rng.standard_normal((samples, len(values)))
    return Means(np.stack([seen[b::BLOCKS].sum(axis=0) for b in range(BLOCKS)], axis=1), np.bincount(np.arange(samples) % BLOCKS).astype(float))


def true_climb(tree, values, start, end):
    """From one point to another in the function without noise."""
    return max(tree.pass_between(int(tree.basin[start]), int(tree.basin[end])), values[start], values[end]) - values[start]


@pytest.mark.parametrize("rough", [0.2, 1.0])
def test_intervals_hold_what_they_say(rough):
    """Over many draws: climbs in 95 % at least, no minimum taken for real that is none in more than 5 %, and SMAD where all four wells are found."""
    values, places = wells(15)
    graph = grid((15, 15), diagonals=True)
    true = merge_tree(graph, values)
    held, wrong, smads, most = [], [], [], 40
    for seed in range(most):
        found = topology(graph, measured(values, places, seed, rough=rough))
        whole = found.whole
        for i in range(1, len(found.climbs)):
            at = true_climb(true, values, int(whole.lowest[i]), int(whole.lowest[whole.into[i]]))
            held.append(found.climbs[i].low - 1e-9 <= at <= found.climbs[i].high + 1e-9)
        homes = true.basin[found.tree.lowest].tolist()
        wrong.append(len(set(homes)) < len(homes))
        if len(found.tree) == len(true):
            smads.append(found.smad().low <= smad(true) <= found.smad().high)
    assert np.mean(held) >= 0.95
    assert np.mean(wrong) <= 0.05
    assert len(held) > most
    assert rough > 0.2 or len(smads) > most / 2
    assert all(smads)


def test_noise_makes_minima_and_none_of_them_is_real():
    """A bowl with much noise of each point's own: dozens of minima, one real."""
    y, x = np.mgrid[-1:1:17j, -1:1:17j]
    bowl = (x**2 + y**2).ravel()
    real = []
    for seed in range(10):
        noise = np.random.default_rng(seed).standard_normal((289, BLOCKS))
        found = topology(grid((17, 17), diagonals=True), Means(bowl[:, None] + 2 * noise, np.ones(BLOCKS)))
        assert len(found.whole) > 10
        real.append(len(found.real))
        assert found.smad().value == 0.0 or len(found.real) > 1
    assert np.mean(np.array(real) == 1) >= 0.9


def test_noise_that_is_high_up_hides_nothing_low_down():
    """A rim that varies a hundred times as much as the two wells inside: both are real, though the band of all values is wider than the pass is high."""
    x = np.linspace(-2, 2, 41)
    values = (x**2 - 1) ** 2 + 0.1 * x
    rng = np.random.default_rng(0)
    size = np.where(np.abs(x) > 1.6, 2.5, 0.025)
    means = Means(values[:, None] + size[:, None] * rng.standard_normal((41, BLOCKS)), np.ones(BLOCKS))
    found = topology(grid((41,)), means)
    everywhere = float(np.max(means.high(3.0) - means.value))
    assert 2 * everywhere > found.whole.persistence[1]
    assert set(np.abs(x[found.tree.lowest]).round()) == {1.0}
    assert len(found.tree) == 2
    assert found.band < everywhere / 10  # above the pass it does not count


def test_denser_points_and_more_samples_stay_within_the_interval():
    """SMAD, climbs and the distance to another function, from the coarsest and least sampled on."""
    coarse, there = wells(17)
    first = topology(grid((17, 17), diagonals=True), measured(coarse, there, seed=1, samples=400, rough=0.1))
    other = topology(grid((17, 17), diagonals=True), measured(coarse + 0.3 * there[:, 0], there, seed=2, samples=400, rough=0.1))
    assert len(first.real) == 4
    far, _ = distances(first, other)
    for side, samples in ((17, 6400), (33, 400), (33, 6400)):
        values, places = wells(side)
        graph = grid((side, side), diagonals=True)
        finer = topology(graph, measured(values, places, seed=3, samples=samples, rough=0.1))
        assert len(finer.real) == 4
        assert first.smad().low <= finer.smad().value <= first.smad().high
        assert first.smad(weighted=True).low <= finer.smad(weighted=True).value <= first.smad(weighted=True).high
        assert first.persistence_range().low <= finer.persistence_range().value <= first.persistence_range().high
        if side == 17 or samples == 6400:
            moved = topology(graph, measured(values + 0.3 * places[:, 0], places, seed=4, samples=samples, rough=0.1))
            assert far.low <= distances(finer, moved)[0].value <= far.high
    assert np.ptp([first.smad().low, first.smad().high]) > 2 * np.ptp([finer.smad().low, finer.smad().high])


def test_the_interval_of_a_distance_holds_the_true_one():
    """Bottleneck of all minima; Wasserstein of the real ones."""
    values, places = wells(15)
    graph, other = grid((15, 15), diagonals=True), values + 0.2 * places[:, 1]
    true = bottleneck(*(diagram(merge_tree(graph, v)) for v in (values, other)))
    for seed in range(5):
        pair = [topology(graph, measured(v, places, seed=10 * seed + i)) for i, v in enumerate((values, other))]
        far, moved = distances(*pair)
        assert far.low <= true <= far.high
        assert moved.low <= moved.value <= moved.high
    same, _ = distances(pair[0], pair[0])
    assert (same.value, same.low) == (0.0, 0.0)


def test_without_noise_the_interval_is_the_number():
    """Every block alike; and with one block, nothing is known and nothing is real."""
    values, _ = wells(11)
    graph = grid((11, 11), diagonals=True)
    exact = topology(graph, Means(np.repeat(values[:, None], 8, axis=1), np.ones(8)))
    assert len(exact.real) == len(exact.whole) == 4
    for e in exact.climbs[1:]:
        assert (e.low, e.high) == pytest.approx((e.value, e.value))
    alone = topology(graph, Means(values[:, None], np.ones(1)))
    assert len(alone.whole) == 4
    assert len(alone.real) == 0
    assert np.isnan(alone.climbs[1].low)


def test_points_of_a_grid_and_scattered_points_are_told_apart():
    """Whatever their order; in three dimensions as in two; and places that are no number are left out."""
    rng = np.random.default_rng(5)
    axes = np.linspace(0, 1, 5)
    for d in (1, 2, 3):
        coords = np.stack(np.meshgrid(*[axes] * d, indexing="ij"), axis=-1).reshape(-1, d)
        values = np.cos(2 * np.pi * coords).sum(axis=1)
        values[0] = np.nan
        order = rng.permutation(len(coords))
        points = Points(coords[order], np.repeat(values[order, None, None], 4, axis=2), np.ones(4))
        found = of_points(points, 10 * points.coords)
        assert found.on_grid
        assert basins(found)[0].place == pytest.approx(np.full(d, 5.0))
        assert basins(found)[0].value.value == pytest.approx(-d)
        assert found.topology.whole.basin[0] == -1
    some = rng.random((200, 3))
    points = Points(some, np.repeat(((some - 0.5) ** 2).sum(axis=1)[:, None, None], 4, axis=2), np.ones(4))
    scattered = of_points(points, some)
    assert not scattered.on_grid
    assert basins(scattered)[0].place == pytest.approx([0.5] * 3, abs=0.2)
    assert basins(scattered, most=1)[0].share > 0.5


def test_many_points_take_the_wider_band_and_seconds():
    """20 000 points: the wells are found, and the true SMAD lies in the interval."""
    values, places = wells(141)
    rng = np.random.default_rng(0)
    found = topology(grid((141, 141)), Means(values[:, None] + 0.01 * rng.standard_normal((len(values), 32)), np.ones(32)))
    assert len(found.real) == 4
    assert found.smad().low < smad(merge_tree(grid((141, 141)), values)) < found.smad().high
    assert sorted(places[found.tree.lowest].round().tolist()) == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
