"""Subspace: the trained corner's gradient, its way on flat ground, and a triangle that is lower than before."""

import numpy as np
import pytest
import torch
from torch import nn

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.chart.polychain import place as polychain
from explorer.methods.chart.simplex import place as simplex
from explorer.methods.connect.subspace import above
from explorer.problems.problem import Batch
from explorer.training.curve_training import straight, train_corners, train_path
from explorer.training.options import CurveOptions

connect = registry.find("connect", "subspace")


@pytest.fixture(scope="module")
def ends(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def last(states):
    *_, state = states
    return state


class Bowl:
    """A problem whose loss is a potential of two weights, whatever the samples are: depth·(x² + 3y² + xy)."""

    class Network(nn.Module):
        def __init__(self, depth):
            super().__init__()
            self.at = nn.Parameter(torch.zeros(2, dtype=torch.float64))
            self.depth = depth

        def forward(self, inputs):
            x, y = self.at
            return (self.depth * (x * x + 3 * y * y + x * y)).expand(len(inputs))

    def __init__(self, depth):
        self.depth = depth

    def network(self, *, seed=0):
        return self.Network(self.depth)

    def blank(self, *args, **options):
        return self.network()

    def parameters(self):
        return ["at"]

    def split(self, name):
        return Batch(torch.zeros(16, 1, dtype=torch.float64), torch.zeros(16, dtype=torch.int64))

    def worth(self, targets):
        return None

    def losses(self, outputs, targets):
        return outputs[:, None]


def corner(x, y):
    return {"at": torch.tensor([x, y], dtype=torch.float64)}


def test_one_step_follows_the_finite_differences_of_the_objective():
    """L(Σ αᵢθᵢ) − reg·log area, the area by the cross product, at the α that was drawn."""
    ends, problem, reg = [corner(-1.0, 0.2), corner(0.8, -0.1)], Bowl(2.0), 0.3
    (state,) = connect(ends, problem, reg=reg, height=0.4, epochs=1, lr=0.01, momentum=0.0, batch=16, seed=5)
    start = above(ends, problem, 0.4, 5)["at"].numpy()
    rng = np.random.default_rng(5)
    rng.permutation(16)
    alpha = rng.dirichlet(np.ones(3))
    a, b = (e["at"].numpy() for e in ends)

    def objective(theta):
        x, y = alpha @ np.stack([a, theta, b])
        u, v = theta - a, b - a
        return 2 * (x * x + 3 * y * y + x * y) - reg * np.log(abs(u[0] * v[1] - u[1] * v[0]) / 2)

    h = 1e-6
    gradient = np.array([(objective(start + h * e) - objective(start - h * e)) / (2 * h) for e in np.eye(2)])
    assert state.corners[0]["at"].numpy() == pytest.approx(start - 0.01 * gradient, rel=1e-6)


def test_on_flat_ground_the_square_of_the_height_grows_evenly():
    """dh/ds = reg/h, so h² = h₀² + 2·reg·s after the sum s of all rates, and the corner keeps its foot on the segment."""
    ends = [corner(0.0, 0.0), corner(2.0, 0.0)]
    lr, epochs = 0.001, 400
    state = last(connect(ends, Bowl(0.0), reg=1.0, height=0.4, epochs=epochs, lr=lr, momentum=0.0, batch=16, seed=2))
    before, after = above(ends, Bowl(0.0), 0.4, 2)["at"], state.corners[0]["at"]
    rates = sum(lr * (1 + np.cos(np.pi * k / epochs)) / 2 for k in range(epochs))
    assert float(after[1]) ** 2 == pytest.approx(float(before[1]) ** 2 + 2 * rates, rel=2e-2)
    assert abs(float(after[1])) > 1.5 * abs(float(before[1]))
    assert float(after[0]) == pytest.approx(float(before[0]), abs=1e-12)


def test_drawn_on_the_two_new_sides_only_it_is_the_polygonal_chain(tiny, ends):
    """With coefficients of the sides that meet in the trained corner, and no volume: the chain's training, to the bit."""
    how, start = CurveOptions(3, 0.05, 0.9, 0.01, 128, 4), straight(ends, 1)

    def sides(rng, inner):
        t = 2 * float(rng.random())
        return np.array([1 - t, t, 0.0]) if t < 1 else np.array([0.0, 1 - (t - 1), t - 1])

    one = last(train_corners(ends, tiny.problem, sides, start, how)).corners[0]
    two = last(train_path(ends, tiny.problem, polychain, start, how)).corners[0]
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_the_corner_begins_at_its_height_above_the_middle(tiny, ends):
    """Tensor by tensor, in the ends' dtype, and somewhere else with another seed."""
    found, other = (above(ends, tiny.problem, 0.25, seed) for seed in (0, 1))
    for k in found:
        middle, side = (ends[0][k] + ends[1][k]) / 2, float((ends[1][k] - ends[0][k]).norm())
        assert float((found[k] - middle).norm()) == pytest.approx(0.25 * side, rel=1e-4)
        assert not torch.equal(found[k], other[k])


def test_on_the_chart_the_first_coordinate_is_the_trained_corner():
    """Corners are first model, trained corner, second model: the origin, (1, 0) and (0, 1)."""
    assert simplex(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.eye(3)).tolist() == np.eye(3).tolist()


def test_the_triangle_is_lower_than_before_training(tiny, ends):
    """The mean train loss over the triangle; and a volume that counts makes the triangle larger than one that does not."""
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=24)

    def mean(middle):
        evaluate = Evaluate(tiny.problem, [ends[0], middle, ends[1]], split="train", metrics=("loss",))
        return np.mean([evaluate(row).sum() / evaluate.counts.sum() for row in rows])

    def size(middle):
        u, v = (torch.cat([(m[k] - ends[0][k]).flatten() for k in m]).double() for m in (middle, ends[1]))
        return float((u - (u @ v) / (v @ v) * v).norm() * v.norm()) / 2

    small, large = (last(connect(ends, tiny.problem, reg=reg, epochs=20)).corners[0] for reg in (0.0, 1.0))
    start = mean(above(ends, tiny.problem, 0.1, 0))
    assert mean(small) < 0.8 * start
    assert mean(large) < start
    assert size(large) > 1.1 * size(small)


def test_two_times_the_same_model_is_refused(tiny, ends):
    """They span no triangle, and the sentence says so; without the volume there is nothing to refuse."""
    with pytest.raises(Refused, match="Use ends that differ"):
        last(connect([ends[0], ends[0]], tiny.problem, epochs=1))
    assert torch.equal(
        last(connect([ends[0], ends[0]], tiny.problem, reg=0.0, epochs=1, lr=0.0)).corners[0]["layers.0.bias"], ends[0]["layers.0.bias"]
    )
