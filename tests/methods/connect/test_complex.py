"""A complex of simplexes: the gradient of its volume, where it is drawn from, and a whole that is low while it is large."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import gram
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.chart.complex import place
from explorer.methods.chart.polychain import place as polychain
from explorer.methods.connect._simplex_volume import volume
from explorer.methods.connect.complex import around, draw, spread
from explorer.training.curve_training import train_corners
from explorer.training.options import CurveOptions

connect = registry.find("connect", "complex")


@pytest.fixture(scope="module")
def ends(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def last(states):
    *_, state = states
    return state


def volumes(corners):
    """Of the two simplexes."""
    inner = gram(corners, list(corners[0]))
    return volume(inner[:-1, :-1]), volume(inner[1:, 1:])


@pytest.mark.parametrize("bends", [1, 2, 4])
def test_the_volumes_grow_as_finite_differences_say(bends):
    """For every corner, the models included, in every direction."""
    corners = np.random.default_rng(bends).normal(size=(bends + 2, 6))
    found = spread(corners @ corners.T) @ corners

    def objective(c):
        return sum(np.log(volume(part @ part.T)) for part in (c[:-1], c[1:]))

    h = 1e-6
    for i in range(bends + 2):
        for d in range(6):
            step = np.zeros_like(corners)
            step[i, d] = h
            assert found[i, d] == pytest.approx((objective(corners + step) - objective(corners - step)) / (2 * h), rel=1e-6, abs=1e-7)


def test_both_simplexes_are_drawn_evenly_and_all_over():
    """Never both models at once; half of the time each; uniform in a simplex: mean 1/4 and variance 3/80 of a weight among four."""
    rng = np.random.default_rng(0)
    drawn = np.array([draw(rng, np.eye(5)) for _ in range(4000)])
    assert np.allclose(drawn.sum(axis=1), 1) and (drawn >= 0).all()
    first, second = drawn[:, -1] == 0, drawn[:, 0] == 0
    assert (first ^ second).all()
    assert first.mean() == pytest.approx(0.5, abs=0.03)
    assert drawn[first, :-1].mean(axis=0) == pytest.approx(0.25, abs=0.02)
    assert drawn[second, 1:].var(axis=0) == pytest.approx(3 / 80, abs=0.004)


def test_the_ends_of_the_way_and_its_middle_are_where_they_should_be():
    """A, the mean of the shared corners, B; in between the model alone gives way to them."""
    rows = place(np.array([[0.0], [0.25], [0.5], [0.75], [1.0]]), np.eye(5))
    third = 1 / 3
    assert rows == pytest.approx(
        np.array(
            [[1, 0, 0, 0, 0], [0.5, third / 2, third / 2, third / 2, 0], [0, third, third, third, 0], [0, *[third / 2] * 3, 0.5], [0, 0, 0, 0, 1]]
        )
    )


def test_with_one_shared_corner_the_way_is_the_polygonal_chain():
    """Beyond the ends too."""
    t = np.linspace(-0.5, 1.5, 17)[:, None]
    assert (place(t, np.eye(3)) == polychain(t, np.eye(3))).all()


def test_corners_begin_apart_from_each_other(tiny, ends):
    """Each in a direction of its own, and no two seeds share one."""
    corners = [*around(ends, tiny.problem, 3, 0.1, 0), *around(ends, tiny.problem, 3, 0.1, 1)]
    offsets = [torch.cat([(c[k] - (ends[0][k] + ends[1][k]) / 2).flatten() for k in c]) for c in corners]
    cosines = torch.corrcoef(torch.stack(offsets)) - torch.eye(6)
    assert cosines.abs().max() < 0.2


def test_the_volume_pulls_both_sides_with_the_strength_of_reg(tiny, ends):
    """On one step at rate lr, the corners move by lr·reg times the growth of the sum, besides what the loss does."""
    lr, reg, start = 0.05, 0.7, around(ends, tiny.problem, 2, 0.2, 3)
    options = {"bends": 2, "height": 0.2, "epochs": 1, "lr": lr, "momentum": 0.0, "batch": 4096, "seed": 3}
    plain, pulled = (last(connect(ends, tiny.problem, reg=r, **options)).corners for r in (0.0, reg))
    corners = [ends[0], *start, ends[1]]
    rows = spread(gram(corners, list(ends[0])))
    for i in (0, 1):
        for k in ends[0]:
            wanted = lr * reg * sum(c * w[k] for c, w in zip(rows[i + 1].tolist(), corners, strict=True))
            assert torch.allclose(pulled[i][k] - plain[i][k], wanted, atol=2e-6)


def test_without_volume_it_is_the_training_of_the_draw_alone(tiny, ends):
    """Nothing is added when reg is 0, and two times the same model is no obstacle then."""
    options = {"bends": 2, "epochs": 2, "seed": 1}
    found = last(connect(ends, tiny.problem, reg=0.0, **options))
    twin = last(train_corners(ends, tiny.problem, draw, around(ends, tiny.problem, 2, 0.1, 1), CurveOptions(2, 0.05, 0.9, 0.0, 128, 1)))
    assert all(torch.equal(a[k], b[k]) for a, b in zip(found.corners, twin.corners, strict=True) for k in a)
    same = [ends[0], ends[0]]
    assert last(connect(same, tiny.problem, reg=0.0, epochs=1)).corners
    with pytest.raises(Refused, match="Use ends that differ"):
        last(connect(same, tiny.problem, epochs=1))


def test_the_complex_grows_and_is_low_everywhere(tiny, ends):
    """With the default reg: both volumes larger than in the beginning, the mean loss over the whole complex far below it."""
    rng = np.random.default_rng(0)
    rows = [draw(rng, np.eye(4)) for _ in range(24)]
    start = around(ends, tiny.problem, 2, 0.1, 0)
    found = last(connect(ends, tiny.problem, bends=2, epochs=25)).corners

    def mean(inner):
        evaluate = Evaluate(tiny.problem, [ends[0], *inner, ends[1]], split="train", metrics=("loss",))
        return np.mean([evaluate(row).sum() / evaluate.counts.sum() for row in rows])

    assert mean(found) < 0.5 * mean(start)
    assert all(new > old for new, old in zip(volumes([ends[0], *found, ends[1]]), volumes([ends[0], *start, ends[1]]), strict=True))
