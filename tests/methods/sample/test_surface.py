"""Where the surface sampler goes, and where it does not."""

import numpy as np
import pytest

from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.methods.sample import surface
from explorer.stats.sparse_grid_surrogate import nodes_of, panel, preview

SIZE = 65


def at(coords, function, noise=None):
    """Points of a function of x and y; `noise`: (B,) sums over blocks that grow with x, so that they do not cancel between points."""
    value = function(coords[:, 0], coords[:, 1])
    if noise is None:
        return Points(coords, value[:, None, None], np.ones(1))
    ripple = np.sin(40 * coords[:, :1] + 53 * coords[:, 1:])
    return Points(coords, (value[:, None] + ripple * noise)[:, None, :], np.ones(len(noise)))


def walk(function, *, batch=10000, done=None, noise=None, **options):
    """All points of a run over a function, clicks `done` before."""
    coords = np.empty((0, 2)) if done is None else done
    while len(todo := surface.ask(at(coords, function, noise), batch, **options)):
        coords = np.concatenate([coords, todo])
    return at(coords, function, noise)


def smooth(x, y):
    """A bicubic polynomial's exponential: the coarse grid's splines know it all."""
    return np.exp(x**3 - x * y**2)


def bump(x, y, width=0.04, centre=(0.3, 0.67)):
    """A narrow bump on a slope."""
    return np.exp(0.5 * x + np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / width**2))


def over(function, size=SIZE):
    """The function on all nodes."""
    axis = np.linspace(0, 1, size)
    return function(*np.meshgrid(axis, axis, indexing="ij"))


def test_a_smooth_surface_needs_the_grid_the_scouts_and_the_jury():
    """9 × 9 points, 64 and 64, those in common once: a twentieth of the full grid."""
    points = walk(smooth)
    nodes, _ = nodes_of(points.coords, SIZE)
    grid = {(i, j) for i in range(0, SIZE, 8) for j in range(0, SIZE, 8)}
    assert set(map(tuple, nodes)) == grid | {tuple(n) for group in panel(SIZE, 2) for n in group}
    assert nodes[:4].tolist() == [[0, 0], [0, 64], [64, 0], [64, 64]]


def test_a_bump_is_refined_and_the_rest_is_not():
    """Most points beyond the coarse grid, exploration points and held-out points lie near the bump, and the picture is within the tolerance."""
    points, flat = walk(bump), walk(smooth)
    extra = np.array([c for c in points.coords if c.tolist() not in flat.coords.tolist()])
    near = np.hypot(extra[:, 0] - 0.3, extra[:, 1] - 0.67) < 0.25
    assert near.mean() > 0.8
    error = np.log(preview(points, SIZE).values / over(bump))
    assert np.sqrt((error**2).mean()) < 0.01
    assert len(points) < SIZE**2 / 8


def test_batches_do_not_matter():
    """One point at a time ends with the same points as all at once."""
    single, batch = (walk(bump, batch=k, finest=33).coords for k in (1, 1000))
    assert set(map(tuple, single)) == set(map(tuple, batch))
    assert len(single) == len(batch)


def test_the_jury_has_no_say():
    """Whatever it finds, the points are the same: that is what makes it fair."""
    spikes = panel(SIZE, 2)[1] / 64

    def spiky(x, y):
        hit = (np.abs(np.stack([x, y], axis=-1)[:, None] - spikes) < 1e-9).all(axis=-1).any(axis=1)
        return np.where(hit & ((x * 8 % 1 != 0) | (y * 8 % 1 != 0)), 50.0, 1.0) * bump(x, y)

    plain, spiked = walk(bump), walk(spiky)
    refined = {tuple(c) for c in plain.coords} - {tuple(c) for c in spikes}
    # Jury points that refinement measures as well are points like any other; none of those are far from the bump.
    far = {c for c in {tuple(c) for c in spiked.coords} - {tuple(c) for c in spikes} if np.hypot(c[0] - 0.3, c[1] - 0.67) > 0.4}
    assert far == {c for c in refined if np.hypot(c[0] - 0.3, c[1] - 0.67) > 0.4}
    assert preview(spiked, SIZE).certificate.rms.value > 1


def test_a_scout_that_is_surprised_brings_more_points():
    """A spike that only one scout sees gets its cell halved down to the finest grid."""
    scout = next(s for s in panel(SIZE, 2)[0] if (s % 8 != 0).all())

    def spike(x, y):
        return np.exp(2 * np.exp(-(((64 * x - scout[0]) ** 2 + (64 * y - scout[1]) ** 2) / 2)))

    nodes, _ = nodes_of(walk(spike).coords, SIZE)
    assert {(scout[0] + i, scout[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} <= set(map(tuple, nodes))


@pytest.mark.parametrize("click", [(0.55, 0.43), (35 / 64, 27 / 64)])
def test_a_click_counts(click):
    """Someone's point that the prediction misses starts a refinement there, on a node or between nodes."""

    def spike(x, y):
        return np.exp(2 * np.exp(-((x - click[0]) ** 2 + (y - click[1]) ** 2) / 0.004**2))

    near = [(np.hypot(*(walk(spike, done=done).coords - click).T) < 0.05).sum() for done in (np.empty((0, 2)), np.array([click]))]
    assert near[1] > near[0] + 5


def test_differences_below_the_sampling_error_are_left_alone():
    """A ripple that is as large as its own standard error over blocks is not chased; the same ripple without error is."""
    noise = np.random.default_rng(0).normal(size=32)
    noise = 0.2 * (noise - noise.mean()) / noise.std() + 0.02  # mean 0.02, standard error 0.036

    def flat(x, y):
        return np.ones_like(x)

    def ripple(x, y):
        return 1 + 0.02 * np.sin(40 * x + 53 * y)

    assert len(walk(flat, noise=noise)) == len(walk(smooth))
    assert len(walk(ripple)) > 3 * len(walk(smooth))


def test_a_diverged_region_is_left_alone_and_its_border_found():
    """Inside only the coarse grid, exploration points and held-out points; along the border neighbouring points of the finest grid."""

    def ball(x, y):
        return np.where(np.hypot(x - 0.5, y - 0.5) < 0.3, np.nan, 1 + x)

    points = walk(ball)
    centre = np.hypot(*(points.coords - 0.5).T)
    given = {tuple(c) for c in walk(smooth).coords}
    assert {tuple(c) for c in points.coords[centre < 0.2]} <= given
    values = preview(points, SIZE).values
    truth = over(ball)
    assert (np.isnan(values) == np.isnan(truth)).mean() > 0.99
    both = np.isfinite(values) & np.isfinite(truth)
    assert np.allclose(values[both], truth[both], rtol=0.01)


def test_everything_diverged_ends():
    """NaN everywhere: the grid, the exploration points, the held-out points, and no more."""
    assert len(walk(lambda x, y: np.full_like(x, np.nan))) == len(walk(smooth))


@pytest.mark.parametrize("budget", [40, 100, 150, 300])
def test_the_budget_is_kept_and_the_jury_has_its_share(budget):
    """Never more points than that; refinement leaves the held-out points' points over."""
    points = walk(lambda x, y: 1 + np.abs(x - y), budget=budget)
    assert len(points) == budget
    nodes, _ = nodes_of(points.coords, SIZE)
    if budget == 300:
        assert {tuple(n) for n in panel(SIZE, 2)[1]} <= set(map(tuple, nodes))
        assert preview(points, SIZE).certificate.source == "held out"


def test_left_bounds_what_comes_and_is_zero_at_the_end():
    """A promise of the worst case at every step."""
    points = walk(bump, finest=33, budget=400)
    for k in range(0, len(points), 37):
        so_far = at(points.coords[:k], bump)
        assert surface.left(so_far, finest=33, budget=400) >= len(points) - k
    assert surface.left(points, finest=33, budget=400) == 0


def test_what_cannot_be_is_refused():
    """A finest grid no finer than the first, and more than two coordinates."""
    with pytest.raises(Refused, match="cannot be refined"):
        surface.ask(at(np.empty((0, 2)), smooth), 1, start=33, finest=17)
    with pytest.raises(Refused, match="sample/grid"):
        surface.ask(Points(np.empty((0, 3)), np.empty((0, 1, 1)), np.ones(1)), 1)
