"""A learned line: the gradient of its regulariser, its way on flat ground, and a line that is low and not a point."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.connect.line_subspace import alikeness

connect = registry.find("connect", "line_subspace")


@pytest.fixture(scope="module")
def ends(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def last(states):
    *_, state = states
    return state


def flat(weights):
    return torch.cat([t.flatten() for t in weights.values()]).double()


def cosine(weights):
    a, b = map(flat, weights)
    return float(a @ b / (a.norm() * b.norm()))


@pytest.mark.parametrize("opposite", [False, True])
def test_the_gradient_is_that_of_finite_differences(opposite):
    """Of cos² of two vectors, in every direction, for angles beyond a right one too."""
    pair = np.random.default_rng(4).normal(size=(2, 5))
    pair[1] = pair[1] - 3 * pair[0] if opposite else pair[1] + pair[0]
    found = alikeness(pair @ pair.T) @ pair

    def cos2(p):
        return (p[0] @ p[1]) ** 2 / ((p[0] @ p[0]) * (p[1] @ p[1]))

    h = 1e-6
    for i in range(2):
        for d in range(5):
            step = np.zeros_like(pair)
            step[i, d] = h
            assert found[i, d] == pytest.approx((cos2(pair + step) - cos2(pair - step)) / (2 * h), rel=1e-6, abs=1e-8)


def test_vectors_at_right_angles_are_left_alone():
    """There cos² has its least value; parallel ones are at its largest, where the gradient is 0 as well."""
    assert (alikeness(np.diag([2.0, 3.0])) == 0).all()
    pair = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert alikeness(pair @ pair.T) @ pair == pytest.approx(np.zeros((2, 2)), abs=1e-15)


def test_without_a_step_the_line_is_the_segment(tiny, ends):
    """Its ends begin at the models, bit for bit, in the models' dtype, and as copies."""
    first, second = last(connect(ends, tiny.problem, lr=0.0, epochs=1)).corners
    assert all(torch.equal(first[k], ends[0][k]) and torch.equal(second[k], ends[1][k]) for k in first)
    assert all(first[k].data_ptr() != ends[0][k].data_ptr() for k in first)


def test_one_step_is_that_of_autograd(tiny, ends):
    """Of E L + β·cos² at the α that was drawn, for both ends of the line."""
    β, lr, train = 0.8, 0.01, tiny.problem.split("train")
    found = last(connect(ends, tiny.problem, beta=β, lr=lr, epochs=1, momentum=0.0, batch=4096, seed=6)).corners
    rng = np.random.default_rng(6)
    rng.permutation(len(train.targets))
    α = float(rng.random())
    a, b = ({k: v.double().requires_grad_() for k, v in w.items()} for w in ends)
    network = tiny.problem.network().double()
    point = {k: (1 - α) * a[k] + α * b[k] for k in a}
    outputs = torch.func.functional_call(network, point, (train.inputs.double(),))
    loss = tiny.problem.losses(outputs, train.targets).mean()
    one, two = (torch.cat([t.flatten() for t in w.values()]) for w in (a, b))
    (loss + β * (one @ two) ** 2 / ((one @ one) * (two @ two))).backward()
    for before, after in zip((a, b), found, strict=True):
        for k in before:
            assert torch.allclose(after[k].double(), before[k].detach() - lr * before[k].grad, atol=1e-6)


def test_the_whole_line_is_low_and_beta_keeps_its_ends_apart(tiny, ends):
    """The highest train loss on the line, against that of the segment; the ends' cosine, against that without the regulariser."""

    def highest(pair):
        evaluate = Evaluate(tiny.problem, pair, split="train", metrics=("loss",))
        return max(float(evaluate(np.array([1 - t, t])).sum()) for t in np.linspace(0, 1, 9)) / evaluate.counts.sum()

    free, kept = (last(connect(ends, tiny.problem, beta=β, epochs=25)).corners for β in (0.0, 1.0))
    assert highest(kept) < 0.5 * highest(ends)
    assert abs(cosine(kept)) < abs(cosine(free))
    assert float((flat(kept[0]) - flat(kept[1])).norm()) > 0.3 * float((flat(ends[0]) - flat(ends[1])).norm())


def test_a_model_of_zeros_is_refused(tiny, ends):
    """It has no angle to another one; without the regulariser it needs none."""
    nothing = [ends[0], {k: torch.zeros_like(v) for k, v in ends[1].items()}]
    with pytest.raises(Refused, match="Use beta = 0"):
        last(connect(nothing, tiny.problem, epochs=1))
    assert len(last(connect(nothing, tiny.problem, beta=0.0, epochs=1)).corners) == 2
