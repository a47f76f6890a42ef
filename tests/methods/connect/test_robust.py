"""Robust curve: a Bézier curve where nothing is attacked, and lower losses under attack where something is."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import mix
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.pgd_attack import attack
from explorer.methods.chart.bezier import place
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.training.curve_training import straight, train_path
from explorer.training.options import CurveOptions

bezier = registry.find("connect", "bezier")
connect = registry.find("connect", "robust")


@pytest.fixture(scope="module")
def ends(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def last(states):
    *_, state = states
    return state


def same(one, two):
    return one.loss == two.loss and all(torch.equal(a[k], b[k]) for a, b in zip(one.corners, two.corners, strict=True) for k in a)


@pytest.mark.parametrize("options", [{}, {"bends": 2, "sampling": "arc_length", "weight_decay": 0.01, "seed": 3}])
def test_without_an_adversary_it_is_the_bezier_curve(tiny, ends, options):
    """All radii 0: the same corners and the same loss, to the bit; and not so with a radius."""
    plain = last(bezier(ends, tiny.problem, epochs=3, **options))
    assert same(last(connect(ends, tiny.problem, epochs=3, linf=0.0, l2=0.0, **options)), plain)
    assert not same(last(connect(ends, tiny.problem, epochs=3, linf=0.0, l2=0.1, **options)), plain)


def test_inputs_that_are_not_moved_change_nothing(tiny, ends):
    """An adversary that returns what it got is none, be it asked once or twice."""
    how = CurveOptions(3, 0.05, 0.9, 0.0, 128, 0)
    plain = last(train_path(ends, tiny.problem, place, straight(ends, 1), how))
    assert same(last(train_path(ends, tiny.problem, place, straight(ends, 1), how, perturb=lambda loss_of, x: [x])), plain)
    assert same(last(train_path(ends, tiny.problem, place, straight(ends, 1), how, perturb=lambda loss_of, x: [x, x])), plain)


def test_several_threats_count_as_one_batch_of_all_their_inputs(tiny, ends):
    """The mean of their losses has the gradient of the loss on all inputs put together, each with its own target."""
    train = tiny.problem.split("train")
    n = len(train.targets)
    how = CurveOptions(1, 0.1, 0.0, 0.0, n, 0)
    two = last(train_path(ends, tiny.problem, place, straight(ends, 1), how, perturb=lambda loss_of, x: [0.5 * x, x + 0.1]))
    rng = np.random.default_rng(0)
    rng.permutation(n)
    t = float(rng.random())
    coefficients = place(np.array([[t]]), np.eye(3))[0].tolist()
    start = straight(ends, 1)[0]
    point = {k: v.requires_grad_() for k, v in mix([ends[0], start, ends[1]], coefficients).items()}
    outputs = functional_call(tiny.problem.network(), point, (torch.cat([0.5 * train.inputs, train.inputs + 0.1]),))
    loss = tiny.problem.losses(outputs, torch.cat([train.targets] * 2)).mean()
    loss.backward()
    assert two.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    for k, v in point.items():
        assert torch.allclose(two.corners[0][k], start[k] - 0.1 * coefficients[1] * v.grad, atol=1e-6)


def test_the_path_is_lower_under_attack_than_the_plain_curve(tiny, ends):
    """The mean loss of attacked samples of the train split over t: what the training is for."""
    train = tiny.problem.split("train")
    inputs, targets, network = train.inputs[:256], train.targets[:256], tiny.problem.network()

    def attacked(corners):
        losses = []
        for row in place(np.linspace(0.2, 0.8, 5)[:, None], np.eye(3)).tolist():
            point = mix([ends[0], *corners, ends[1]], row)

            def loss_of(x, point=point):
                return tiny.problem.losses(functional_call(network, point, (x,)), targets).mean()

            clean, robust = (float(loss_of(x).detach()) for x in (inputs, attack(loss_of, inputs, "linf", 0.1, 5)))
            assert robust >= clean
            losses.append(robust)
        return np.mean(losses)

    options = {"epochs": 15, "seed": 1}
    robust = last(connect(ends, tiny.problem, linf=0.1, attack_steps=3, **options))
    assert attacked(robust.corners) < 0.9 * attacked(last(bezier(ends, tiny.problem, **options)).corners)


def test_tokens_are_refused(tiny):
    """A text cannot be moved a little; the sentence says what to do."""
    problem = Problem(problem_toml.find("char-gpt"))
    ends = [{k: v.detach() for k, v in problem.network(seed=s).state_dict().items()} for s in (0, 1)]
    with pytest.raises(Refused, match="tokens of a text"):
        last(connect(ends, problem, epochs=1, batch=4))
