"""A band of pivots: its geometry by hand, and the saddles of potentials whose answer is known."""

import pytest
import torch

from explorer.methods.connect._elastic_band import filled, legs_to_split, perpendicular, shares, spaced, split, tangents

DOUBLE = torch.float64


def relax(potential, ends, pivots, *, steps, rate):
    """Follow the perpendicular force from the segment, keeping the spacing even; the band at the end."""
    at = torch.linspace(0, 1, pivots + 2, dtype=DOUBLE)
    elastic_band = spaced(torch.tensor(ends, dtype=DOUBLE), at)
    for _ in range(steps):
        leaf = elastic_band.detach().requires_grad_()
        heights = potential(leaf)
        (gradient,) = torch.autograd.grad(heights.sum(), leaf)
        force = perpendicular(-gradient[1:-1], tangents(elastic_band, heights.detach()))
        length = force.norm(dim=1, keepdim=True).clamp_min(1e-12)
        step = rate * force * (0.05 / rate / length).clamp(max=1.0)  # far from the valley the gradient is in the thousands
        elastic_band = spaced(torch.cat([elastic_band[:1], elastic_band[1:-1] + step, elastic_band[-1:]]), at)
    return elastic_band


def highest(potential, elastic_band):
    """The highest point of the polygon."""
    return float(potential(spaced(elastic_band, torch.linspace(0, 1, 2001, dtype=DOUBLE))).max())


def muller_brown(points):
    """Müller & Brown 1979: three minima and two saddles in the plane."""
    a, b, c = (-1.0, -1.0, -6.5, 0.7), (0.0, 0.0, 11.0, 0.6), (-10.0, -10.0, -6.5, 0.7)
    height, x0, y0 = (-200.0, -100.0, -170.0, 15.0), (1.0, 0.0, -0.5, -1.0), (0.0, 0.5, 1.5, 1.0)
    x, y = points[:, 0], points[:, 1]
    return sum(height[k] * torch.exp(a[k] * (x - x0[k]) ** 2 + b[k] * (x - x0[k]) * (y - y0[k]) + c[k] * (y - y0[k]) ** 2) for k in range(4))


def wells(points):
    """Two wells at x = ±1, nearly of depth 0, and a hill of height 4 between them; far from the hill the pass at x = 0 has height 1."""
    x, y = points[:, 0], points[:, 1]
    return (x**2 - 1) ** 2 + 3 * torch.exp(-4 * (x**2 + y**2))


def test_the_saddle_of_muller_and_brown_is_found():
    """From minimum to minimum the path's highest point is the saddle at (−0.822, 0.624), of energy −40.66."""
    ends = [[-0.558224, 1.441726], [0.623499, 0.028038]]
    elastic_band = relax(muller_brown, ends, 40, steps=3000, rate=1e-4)
    assert highest(muller_brown, elastic_band) == pytest.approx(-40.66, abs=0.2)
    place = elastic_band[muller_brown(elastic_band).argmax()]
    assert place.tolist() == pytest.approx([-0.822, 0.624], abs=0.06)
    segment = torch.tensor(ends, dtype=DOUBLE)
    assert highest(muller_brown, segment) > -40.66 + 10, "the straight line climbs much higher"


def test_a_double_well_has_the_pass_of_its_formula():
    """(x² − 1)² + y²: the straight way is the lowest, and its pass has height 1 at the origin."""

    def potential(points):
        return (points[:, 0] ** 2 - 1) ** 2 + points[:, 1] ** 2

    crooked = torch.tensor([[-1.0, 0.0], [0.3, 0.8], [1.0, 0.0]], dtype=DOUBLE)
    at = torch.linspace(0, 1, 13, dtype=DOUBLE)
    elastic_band = spaced(crooked, at)
    for _ in range(800):
        leaf = elastic_band.detach().requires_grad_()
        heights = potential(leaf)
        (gradient,) = torch.autograd.grad(heights.sum(), leaf)
        force = perpendicular(-gradient[1:-1], tangents(elastic_band, heights.detach()))
        elastic_band = spaced(torch.cat([elastic_band[:1], elastic_band[1:-1] + 0.05 * force, elastic_band[-1:]]), at)
    assert highest(potential, elastic_band) == pytest.approx(1.0, abs=1e-3)
    assert elastic_band[:, 1].abs().max() < 1e-3


def test_a_hill_on_the_way_is_gone_round():
    """On the segment stands a hill of height 4; a band that begins a little beside it ends far lower."""
    ends = [[-1.0, 0.02], [1.0, 0.02]]
    elastic_band = relax(wells, ends, 21, steps=4000, rate=0.02)
    assert highest(wells, torch.tensor(ends, dtype=DOUBLE)) > 3.9
    assert highest(wells, elastic_band) < 1.5


def test_tangents_point_to_the_higher_neighbour():
    """On a slope along the leg to the higher one; at the top of a symmetric hill along the chord; without any height along the chord too."""
    elastic_band = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], dtype=DOUBLE)
    assert tangents(elastic_band, torch.tensor([0.0, 1.0, 2.0]))[0].tolist() == [0.0, 1.0]
    assert tangents(elastic_band, torch.tensor([2.0, 1.0, 0.0]))[0].tolist() == [1.0, 0.0]
    chord = pytest.approx([0.5**0.5, 0.5**0.5])
    assert tangents(elastic_band, torch.tensor([0.0, 1.0, 0.0]))[0].tolist() == chord
    assert tangents(elastic_band, torch.tensor([1.0, 1.0, 1.0]))[0].tolist() == chord


def test_a_force_along_the_band_is_taken_out():
    """What is left is perpendicular to the tangent."""
    along = torch.tensor([[0.6, 0.8]], dtype=DOUBLE)
    assert (perpendicular(torch.tensor([[3.0, -1.0]], dtype=DOUBLE), along) * along).sum() == pytest.approx(0.0)


def test_spacing_moves_pivots_along_the_polygon_and_leaves_the_ends():
    """A right angle with legs 1 and 3: the middle of its length is one along the second leg."""
    elastic_band = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0]], dtype=DOUBLE)
    assert shares(elastic_band).tolist() == [0.0, 0.25, 1.0]
    found = spaced(elastic_band, torch.tensor([0.0, 0.5, 1.0], dtype=DOUBLE))
    assert found.tolist() == [[0.0, 0.0], [1.0, 1.0], [1.0, 3.0]]
    still = spaced(torch.zeros(4, 2, dtype=DOUBLE), torch.linspace(0, 1, 3, dtype=DOUBLE))
    assert torch.equal(still, torch.zeros(3, 2, dtype=DOUBLE)), "a band without length stays where it is"


def test_pivots_go_where_the_line_between_two_lies_too_low():
    """The leg over the hidden peak is split; filling splits the longest leg and changes no place."""
    assert legs_to_split([0.0, 0.0, 1.0, 0.0], [0.1, 3.0, 0.2], 1) == [1]
    assert legs_to_split([0.0, 0.0, 1.0, 0.0], [0.1, 3.0, 0.2], 2) == [0, 1]
    elastic_band = torch.tensor([[0.0], [1.0], [5.0]], dtype=DOUBLE)
    assert split(elastic_band, [0]).flatten().tolist() == [0.0, 0.5, 1.0, 5.0]
    assert filled(elastic_band, 5).flatten().tolist() == [0.0, 1.0, 2.0, 3.0, 5.0]
