"""Training a path: gradients, the segment it begins on, arc length, and a potential whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.points import Points
from explorer.methods.chart.bezier import place as bezier
from explorer.methods.chart.polychain import place as polychain
from explorer.problems.problem import Batch
from explorer.stats import arc_length
from explorer.stats.barriers import path_mean
from explorer.training.curve_training import straight, train_path
from explorer.training.options import CurveOptions


class Hills:
    """A problem whose loss is a potential of two weights (x, y), whatever the samples are: 20·(x² + y² − 1)² has a ring-shaped valley."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.zeros(2, dtype=torch.float64))

        def forward(self, inputs):
            return (20 * (self.at.square().sum() - 1).square()).expand(len(inputs))

    def network(self, *, seed=0):
        return self.Network()

    def blank(self, *args, **options):
        return self.network()

    def split(self, name):
        return Batch(torch.zeros(32, 1, dtype=torch.float64), torch.zeros(32, dtype=torch.int64))

    def worth(self, targets):
        return None

    def losses(self, outputs, targets):
        return outputs[:, None]


def corner(x, y):
    return {"at": torch.tensor([x, y], dtype=torch.float64)}


HOW = CurveOptions(epochs=300, lr=0.002, momentum=0.9, weight_decay=0.0, batch=8, seed=0)


def test_a_bezier_curve_goes_round_the_hill():
    """Between (−1, 0.05) and (1, 0.05) the segment climbs to 20; a curve in the ring-shaped valley stays far below."""
    ends = [corner(-1.0, 0.05), corner(1.0, 0.05)]
    *_, last = train_path(ends, Hills(), bezier, straight(ends, 2), HOW)
    corners = torch.stack([ends[0]["at"], *(c["at"] for c in last.corners), ends[1]["at"]]).numpy()
    points = bezier(np.linspace(0, 1, 101)[:, None], np.eye(4)) @ corners
    height = 20 * ((points**2).sum(axis=1) - 1) ** 2
    assert height.max() < 2.0
    assert 20 * (0.05**2 - 1) ** 2 > 19.8, "the hill on the segment"


@pytest.mark.parametrize(("place", "bends"), [(bezier, 1), (bezier, 3), (polychain, 1), (polychain, 3)])
def test_before_training_the_path_is_the_segment(tiny, place, bends):
    """Evenly spaced corners on the segment give the segment, point by point."""
    ends = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    corners = [ends[0], *straight(ends, bends), ends[1]]
    for t in (0.0, 0.3, 0.5, 1.0):
        (row,) = place(np.array([[t]]), np.eye(bends + 2))
        for name, tensor in ends[0].items():
            point = sum(c * w[name] for c, w in zip(row.tolist(), corners, strict=True))
            assert torch.allclose(point, (1 - t) * tensor + t * ends[1][name], atol=1e-6)


def test_the_gradient_of_a_bend_is_that_of_finite_differences():
    """One step without momentum moves the bend by −rate · c(t) · ∇L(φ(t)), at the t that was drawn."""
    ends = [corner(-1.0, 0.2), corner(0.8, -0.1)]
    start = [corner(0.1, 0.4)]
    how = CurveOptions(epochs=1, lr=0.01, momentum=0.0, weight_decay=0.3, batch=64, seed=5)
    (last,) = train_path(ends, Hills(), bezier, start, how)
    rng = np.random.default_rng(5)
    rng.permutation(32)
    t = float(rng.random())
    a, b, theta = (c["at"].numpy() for c in (*ends, *start))

    def value(bend):
        w = (1 - t) ** 2 * a + 2 * t * (1 - t) * bend + t**2 * b
        return 20 * ((w**2).sum() - 1) ** 2 + 0.3 / 2 * (w**2).sum()

    step = 1e-6
    gradient = np.array([(value(theta + step * e) - value(theta - step * e)) / (2 * step) for e in np.eye(2)])
    assert last.corners[0]["at"].numpy() == pytest.approx(theta - 0.01 * gradient, rel=1e-6)


def test_arc_length_counts_a_leg_by_its_length():
    """A chain with legs 1 : 3 is drawn from as often: 25 and 75 per cent of the samples."""
    from explorer.training.curve_training import _draw

    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0]])
    inner = corners @ corners.T
    rng = np.random.default_rng(0)
    drawn = np.array([_draw(rng, polychain, inner, "arc_length") for _ in range(4000)])
    share = (drawn < 0.5).mean()
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    assert arc_length.lengths(polychain, inner, np.array([0.0, 0.5, 1.0])).tolist() == pytest.approx([0, 1, 4])


def test_on_a_straight_path_both_samplings_are_uniform():
    """The general form and the simple one are the same there."""
    from explorer.training.curve_training import _draw

    corners = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    inner = corners @ corners.T
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    for _ in range(50):
        assert _draw(one, polychain, inner, "arc_length") == pytest.approx(_draw(two, polychain, inner, "uniform"), abs=1e-9)


def test_the_mean_along_a_path_counts_by_length():
    """A long piece counts more than a short one with the same span of t."""
    values = np.array([0.0, 0.0, 1.0])[:, None, None] * np.ones((3, 1, 16))
    points = Points(np.array([[0.0], [0.5], [1.0]]), values, np.ones(16))
    assert path_mean(points, np.array([0.0, 1.0, 4.0])).value == pytest.approx(3 * 0.5 / 4)
    assert path_mean(points, np.array([0.0, 1.0, 2.0])).value == pytest.approx(0.25)


def test_a_half_circle_is_as_long_as_pi():
    """A fine chain on a circle of radius one."""
    angles = np.linspace(0, np.pi, 41)
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    t = np.linspace(0, 1, 401)
    assert arc_length.lengths(polychain, corners @ corners.T, t)[-1] == pytest.approx(np.pi, rel=1e-3)


def test_slerp_keeps_the_norm_and_its_ends():
    """Two vectors of one norm: every point of the arc has it, the middle included; parallel ones give the straight line; opposite ones are refused."""
    from explorer.core.errors import Refused
    from explorer.methods.chart.slerp import place

    a, b = np.array([3.0, 0.0, 4.0]), np.array([0.0, 5.0, 0.0])
    gram = np.array([[a @ a, a @ b], [b @ a, b @ b]])
    t = np.linspace(0, 1, 11)[:, None]
    points = place(t, gram) @ np.stack([a, b])
    assert np.linalg.norm(points, axis=1) == pytest.approx(np.full(11, 5.0))
    assert points[0].tolist() == a.tolist()
    assert points[-1].tolist() == b.tolist()
    parallel = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert place(t, parallel)[:, 1] == pytest.approx(t[:, 0])
    for bad in (np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([[0.0, 0.0], [0.0, 1.0]])):
        with pytest.raises(Refused, match="straight line"):
            place(t, bad)


def test_stages_of_a_path_with_batch_norm_carry_their_own_statistics(store, home):
    """A trained corner of a network with batch norm is a network in its own right: its loss at the corner is no explosion."""
    from explorer.api import loaded
    from explorer.core import locations
    from explorer.core.spec import Connected
    from explorer.engine.realise_recipe import realise
    from explorer.evaluate.evaluator import Evaluate
    from explorer.problems import problem_toml
    from explorer.problems.problem import Problem

    problem = Problem(problem_toml.find("digits-resnet"))
    files = sorted((locations.root() / "sample_models" / "digits-resnet").glob("*.safetensors"))[:2]
    method = registry.method("connect", "polychain", {"epochs": 4})
    _, bend, _ = Connected.every(problem.spec, tuple(map(loaded, files)), method, 1)
    weights = realise(bend, store, home)
    evaluate = Evaluate(problem, [weights, weights])
    own, anew = (evaluate.alone(0, recalibrated=r)[0].sum() / evaluate.counts.sum() for r in (False, True))
    assert own == pytest.approx(anew, rel=1e-3)
    for epoch in (1, 2, 4):
        assert locations.made_at(Connected(problem.spec, bend.ends, 0, method, at=epoch), home).is_file()


@pytest.mark.parametrize("method", ["bezier", "polychain", "robust", "subspace"])
def test_a_training_goes_on_where_it_was_left(tiny, method):
    """From the state after an epoch the rest is, to the bit, what it would have been."""
    ends = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    known = {o.name for o in registry.options("connect", method)}
    given = {k: v for k, v in {"epochs": 4, "bends": 2, "sampling": "arc_length", "attack_steps": 2}.items() if k in known}
    connect = registry.find("connect", method)
    whole = list(connect(ends, tiny.problem, **given))
    rest = list(connect(ends, tiny.problem, **given, resume=whole[1].state))
    assert [r.epoch for r in rest] == [3, 4]
    assert [r.loss for r in rest] == [w.loss for w in whole[2:]]
    (end,) = connect(ends, tiny.problem, **given, resume=whole[-1].state)
    for last in (rest[-1], end):
        assert all(torch.equal(a[k], b[k]) for a, b in zip(whole[-1].corners, last.corners, strict=True) for k in a)


def test_a_stopped_path_is_finished_as_if_it_had_not_been_stopped(tiny, store, home):
    """Stopping keeps the training; taking it up again gives the bytes of an uninterrupted one, and leaves nothing behind."""
    from explorer.core import locations
    from explorer.core.errors import Stopped
    from explorer.core.spec import Connected
    from explorer.engine.realise_recipe import realise

    ends = tiny.field().corners
    method = registry.method("connect", "bezier", {"epochs": 5})
    _, bend, _ = Connected.every(tiny.problem.spec, ends, method, 1)
    reported = []

    def stop_in_the_third(done, total, message):
        reported.append(message)
        if message.startswith("epoch 3") and "mean" in message:
            raise Stopped

    with pytest.raises(Stopped):
        realise(bend, store, home, progress=stop_in_the_third)
    assert locations.unfinished_at(bend, home).is_file()
    reported.clear()
    resumed = realise(bend, store, home, progress=lambda done, total, message: reported.append(message))
    assert next(m for m in reported if "mean" in m).startswith("epoch 4")
    assert not locations.unfinished_at(bend, home).exists()
    whole = realise(bend, store, home / "another")
    assert all(torch.equal(resumed[k], whole[k]) for k in whole)


@pytest.mark.parametrize("method", ["bezier", "autoneb"])
def test_a_tied_parameter_is_trained_under_all_its_names(method):
    """The corner of a network with one tensor under two names holds the trained one twice."""

    class Tied(Hills):
        class Network(Hills.Network):
            def __init__(self):
                super().__init__()
                self.also = self.at

    ends = [{n: torch.tensor(v, dtype=torch.float64) for n in ("at", "also")} for v in ([-1.0, 0.05], [1.0, 0.05])]
    *_, last = registry.find("connect", method)(ends, Tied(), bends=1, epochs=3, lr=0.001)
    (corner,) = last.corners
    assert torch.equal(corner["at"], corner["also"])
    assert not torch.equal(corner["at"], torch.tensor([0.0, 0.05], dtype=torch.float64))
