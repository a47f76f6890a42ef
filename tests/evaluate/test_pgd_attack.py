"""Adversarial inputs: inside the ball, up the hill, and at the known maximum of a linear model."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from explorer.core.errors import Refused
from explorer.evaluate.pgd_attack import attack


def logistic(weight, signs):
    """log(1 + exp(−y·w·x)) of a linear model."""
    return lambda x: functional.softplus(-signs * (x.flatten(1) @ weight))


@pytest.fixture
def linear():
    """Twelve samples of shape (2, 3), labels ±1, and the six weights of a linear model."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 2, 3, generator=generator, dtype=torch.float64)
    weight = torch.randn(6, generator=generator, dtype=torch.float64)
    signs = torch.randint(0, 2, (12,), generator=generator) * 2.0 - 1.0
    return x, weight, signs.double()


@pytest.mark.parametrize(("norm", "begin", "share"), [("linf", None, 1 - 1e-9), ("linf", 4, 1 - 1e-9), ("l2", None, 1 - 1e-9), ("l2", 4, 0.95)])
def test_the_maximum_of_a_linear_model_is_reached(linear, norm, begin, share):
    """The margin y·w·x can fall by δ·‖w‖₁ under l∞ and by δ·‖w‖₂ under l2: all of it, or from a random point of the l2 ball nearly all."""
    x, weight, signs = linear
    generator = None if begin is None else torch.Generator().manual_seed(begin)
    found = attack(logistic(weight, signs), x, norm, 0.3, 10, generator=generator)
    fall = signs * (x.flatten(1) @ weight) - signs * (found.flatten(1) @ weight)
    most = 0.3 * (weight.abs().sum() if norm == "linf" else weight.norm())
    assert (fall >= share * most).all()
    assert (fall <= (1 + 1e-9) * most).all()


@pytest.mark.parametrize("begin", [None, 4])
@pytest.mark.parametrize(("norm", "order"), [("linf", float("inf")), ("l2", 2)])
def test_no_sample_leaves_its_ball(norm, order, begin):
    """However wild the loss, the distance of each sample is at most the radius, and somewhere it is used up."""
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    generator = None if begin is None else torch.Generator().manual_seed(begin)
    found = attack(lambda z: ((30 * z).sin() + 20 * z).sum(dim=1), x, norm, 0.2, 7, generator=generator)
    distances = torch.linalg.vector_norm(found - x, ord=order, dim=1)
    assert (distances <= 0.2 * (1 + 1e-12)).all()
    assert distances.max() > 0.199


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_loss_is_never_lower_than_that_of_the_inputs(norm):
    """Even where every step leads down: the inputs stand at the maximum, and the way back is theirs."""
    x = torch.zeros(3, 4)
    peak = attack(lambda z: (1e-3 * z - z.square()).sum(dim=1), x, norm, 0.5, 1)
    assert torch.equal(peak, x)


def test_every_sample_keeps_its_own_best():
    """One whose loss has its peak half-way and one that rises to the border: each ends where its own loss was highest."""
    peaks = torch.tensor([[0.1], [9.0]])
    found = attack(lambda z: -(z - peaks).square().sum(dim=1), torch.zeros(2, 1), "linf", 0.2, 5)
    assert found.flatten().tolist() == pytest.approx([0.1, 0.2])


def test_radius_zero_gives_the_inputs_themselves():
    """To the bit, and for tokens too: nothing is attacked."""
    tokens = torch.arange(6).reshape(2, 3)
    assert attack(lambda z: z.sum(), tokens, "linf", 0.0, 5) is tokens


def test_samples_without_a_gradient_stay():
    """No direction is made up for them, and no NaN comes of it."""
    x = torch.ones(2, 3)
    found = attack(lambda z: z.sum(dim=1) * torch.tensor([1.0, 0.0]), x, "l2", 0.1, 3)
    assert torch.equal(found[1], x[1])
    assert found[0] == pytest.approx(np.full(3, 1 + 0.1 / 3**0.5), rel=1e-6)


def test_neither_inputs_nor_weights_nor_the_random_state_are_touched(linear):
    """The caller's tensors keep their values, no gradient is left on them, and the result is detached."""
    x, weight, signs = linear
    weight.requires_grad_()
    before = x.clone()
    state = torch.get_rng_state()
    found = attack(logistic(weight, signs), x, "linf", 0.1, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(x, before)
    assert weight.grad is None
    assert not found.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


def test_tokens_are_refused():
    """In a sentence that says what to do."""
    with pytest.raises(Refused, match="tokens of a text.*radius to 0"):
        attack(lambda z: z.sum(), torch.arange(6), "linf", 0.1, 5)
