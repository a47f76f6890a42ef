"""A picture between measured points: known surfaces, and what is said of its error."""

import numpy as np
import pytest
from scipy.interpolate import RectBivariateSpline

from explorer.core.points import Points
from explorer.stats.sparse_grid_surrogate import panel, preview, steps

SIZE = 33


def grid(step, size=SIZE):
    """(K, 2) nodes of a lattice, `step` apart."""
    axis = np.arange(0, size, step)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def known(surface, nodes, size=SIZE):
    """The (size, size) surface, measured at these nodes."""
    return Points(nodes / (size - 1), surface[tuple(nodes.T)][:, None, None], np.ones(1))


def over(function, size=SIZE):
    """A function of x and y on all nodes, x along the first axis."""
    axis = np.linspace(0, 1, size)
    return function(axis[:, None], axis[None, :])


def bicubic(x, y):
    """The exponential of a polynomial of degree three in each variable."""
    return np.exp((x**3 - 2 * x + 1) * (2 * y**3 - y**2 + 0.3))


def wavy(seed):
    """A smooth random surface: the exponential of twelve plane waves."""
    rng = np.random.default_rng(seed)
    k, phase = rng.normal(0, 6, (12, 2)), rng.uniform(0, 6.3, 12)
    return lambda x, y: np.exp(0.2 * sum(np.sin(a * x + b * y + p) for (a, b), p in zip(k, phase, strict=True)))


@pytest.mark.parametrize(("size", "chain"), [(65, (64, 32, 16, 8, 4, 2, 1)), (25, (24, 12, 6, 3, 1)), (61, (60, 30, 15, 5, 1)), (2, (1,))])
def test_levels_divide_one_another(size, chain):
    """The grids of the samplers are levels: 25 points a side have 13, 7, 5 and 2 inside of them."""
    assert steps(size) == chain


def test_a_bicubic_log_surface_comes_back_from_25_points():
    """What a spline can say, it says exactly."""
    truth = over(bicubic)
    shown = preview(known(truth, grid(8)), SIZE)
    assert np.allclose(shown.values, truth, rtol=1e-12, atol=0)
    assert shown.measured.sum() == 25


@pytest.mark.parametrize("step", [8, 4, 2])
def test_a_complete_grid_gives_the_plain_bicubic_spline(step):
    """Going level by level is the interpolation of all points at once, as SciPy does it."""
    truth, axis = over(wavy(0)), np.linspace(0, 1, SIZE)
    plain = RectBivariateSpline(axis[::step], axis[::step], np.log(truth[::step, ::step]))(axis, axis)
    nodes = np.random.default_rng(0).permutation(grid(step))
    assert np.allclose(np.log(preview(known(truth, nodes), SIZE).values), plain, rtol=0, atol=1e-12)


def test_refining_a_quarter_sharpens_that_quarter_and_leaves_the_far_one():
    """A level that is complete in a part makes the picture finer there alone."""
    truth = over(wavy(1))
    coarse, fine = grid(8), grid(4)
    part = fine[(fine <= 16).all(axis=1)]
    before, after = (
        np.abs(np.log(preview(known(truth, nodes), SIZE).values / truth)) for nodes in (coarse, np.unique(np.concatenate([coarse, part]), axis=0))
    )
    assert after[:15, :15].mean() < before[:15, :15].mean() / 4
    assert np.allclose(after[28:, 28:], before[28:, 28:], rtol=0, atol=0.02 * before.max())


def test_x_is_the_first_axis():
    """f = x + 10 y stands at row x, column y."""
    assert np.allclose(preview(known(over(lambda x, y: x + 10 * y), grid(16)), SIZE, relative=False).values, over(lambda x, y: x + 10 * y))


def test_measured_points_keep_their_value_exactly():
    """To the last bit, also a lone one that nothing around expects."""
    truth = np.random.default_rng(0).uniform(0.1, 9.0, (SIZE, SIZE))
    nodes = np.unique(np.concatenate([grid(8), np.random.default_rng(1).integers(0, SIZE, (40, 2))]), axis=0)
    shown = preview(known(truth, nodes), SIZE)
    assert np.array_equal(shown.values[shown.measured], truth[shown.measured])
    assert set(map(tuple, np.argwhere(shown.measured))) == set(map(tuple, nodes))


def test_nothing_is_predicted_before_the_corners_are_there():
    """Three corners and the middle: four cells, no extrapolation, no certificate. And of nothing, nothing."""
    shown = preview(known(over(bicubic), np.array([[0, 0], [0, 32], [32, 0], [16, 16]])), SIZE)
    assert np.isfinite(shown.values).sum() == 4 and shown.certificate is None
    assert np.isnan(preview(Points(np.empty((0, 2)), np.empty((0, 0, 0)), np.empty(0)), SIZE).values).all()


def test_points_that_are_no_nodes_are_left_out():
    """Outside of the square, or between the nodes."""
    truth = over(bicubic)
    points = known(truth, grid(8)).extended(np.array([[1.5, 0.5], [0.51, 0.5]]), np.full((2, 1, 1), 1e9))
    assert np.allclose(preview(points, SIZE).values, truth, rtol=1e-12, atol=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverged_point_makes_its_cells_nan_and_no_others(value):
    """A gap is a gap: the four cells around are NaN, but for what is measured in them; the rest is finite."""
    truth = over(bicubic)
    truth[16, 16] = value
    shown = preview(known(truth, np.concatenate([grid(8), [[17, 18]]])), SIZE)
    gap = np.zeros((SIZE, SIZE), dtype=bool)
    gap[9:24, 9:24] = True
    gap[17, 18] = False
    assert np.array_equal(np.isnan(shown.values), gap)


def test_scouts_and_jury_are_one_in_each_part_and_strangers():
    """8 × 8 parts of the square, another node for each of the two."""
    exploration, held_out = panel(65, 2)
    for group in (exploration, held_out):
        edges = np.linspace(0, 65, 9).round()
        assert len({tuple(np.searchsorted(edges, node, side="right")) for node in group}) == len(group) == 64
    assert not set(map(tuple, exploration)) & set(map(tuple, held_out))


def test_the_certificate_is_of_points_that_were_not_used():
    """A held-out points that says 10 % more than the surface is: the rms difference is that, however the picture bends to it."""
    truth = over(bicubic)
    _, held_out = panel(SIZE, 2)
    coarse = {tuple(node) for node in grid(8)}
    fair = np.array([node for node in held_out if tuple(node) not in coarse])
    truth[tuple(fair.T)] *= np.exp(0.1)
    seen = preview(known(truth, np.unique(np.concatenate([grid(8), held_out]), axis=0)), SIZE).certificate
    assert (seen.source, seen.count, seen.relative, seen.nan_mismatches) == ("held out", 64, True, 0)
    # Jury members that the grid holds as well are no error of the picture.
    assert seen.rms.value == pytest.approx(0.1 * np.sqrt(len(fair) / 64), rel=0.05)
    assert seen.quantile == pytest.approx(0.1, rel=0.01)
    assert seen.unseen == pytest.approx(1 - 0.05 ** (1 / 64))


def test_error_rates_are_compared_as_they_are():
    """A metric asked for as it is has differences of its own unit; so has one that is zero somewhere."""
    truth, nodes = over(lambda x, y: 0.1 + 0.2 * x * y), np.unique(np.concatenate([grid(8), panel(SIZE, 2)[1]]), axis=0)
    truth[tuple(nodes[(nodes % 8 != 0).any(axis=1)].T)] += 0.01
    assert preview(known(truth, nodes), SIZE, relative=False).certificate.largest == pytest.approx(0.01, rel=1e-6)
    zero = preview(known(truth - truth[0, 0], nodes), SIZE)
    assert not zero.certificate.relative and zero.certificate.largest == pytest.approx(0.01, rel=1e-6)


def test_without_a_jury_the_last_level_is_compared_with_the_one_before():
    """It says so, and says too much on a smooth surface."""
    truth = over(wavy(2))
    shown = preview(known(truth, grid(4)), SIZE)
    assert shown.certificate.source == "coarser" and shown.certificate.count == 81 - 25
    assert shown.certificate.rms.value > np.sqrt((np.log(shown.values / truth) ** 2).mean())


def test_few_held_out_points_bound_no_quantile():
    """Of fewer than 59 points even the largest does not bound the 95 % quantile with 95 % confidence; of 59 it does."""
    truth, (_, held_out) = over(wavy(3)), panel(SIZE, 2)
    some, enough = (preview(known(truth, np.unique(np.concatenate([grid(16), held_out[:k]]), axis=0)), SIZE).certificate for k in (58, 59))
    assert (some.count, some.quantile_upper) == (58, np.inf)
    assert (enough.count, enough.quantile_upper) == (59, enough.largest)


def test_a_full_grid_is_certain():
    """No point between the measured ones: no error."""
    certificate = preview(known(over(bicubic), grid(1)), SIZE).certificate
    assert (certificate.source, certificate.rms.high, certificate.unseen) == ("complete", 0.0, 0.0)


def test_held_out_points_in_a_diverged_region_are_counted_apart():
    """A held-out point that is finite where the picture is NaN is a NaN mismatch, and in no other number."""
    truth, (_, held_out) = over(bicubic), panel(SIZE, 2)
    truth[16, 16] = np.nan
    seen = preview(known(truth, np.unique(np.concatenate([grid(8), held_out]), axis=0)), SIZE).certificate
    # The middle of the square is NaN: nine of 64 parts touch it, with at least one held-out point each that lies well inside.
    assert seen.nan_mismatches >= 1 and seen.count + seen.nan_mismatches == 64 - int((held_out == 16).all(axis=1).any())
    assert seen.largest < 0.1


def test_the_certificate_covers_the_truth():
    """On forty smooth random surfaces the upper end for the rms difference holds in at least 85 %, the bound of the 95 % quantile too."""
    _, held_out = panel(SIZE, 2)
    nodes = np.unique(np.concatenate([grid(4), held_out]), axis=0)
    held: list[tuple[bool, bool]] = []
    for seed in range(40):
        truth = over(wavy(seed))
        shown = preview(known(truth, nodes), SIZE)
        error = np.abs(np.log(shown.values / truth))
        held.append((np.sqrt((error**2).mean()) <= shown.certificate.rms.high, np.quantile(error, 0.95) <= shown.certificate.quantile_upper))
    assert np.mean(held, axis=0).min() >= 0.85
