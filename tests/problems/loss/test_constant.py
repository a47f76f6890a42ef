"""The best constant answer: known losses, and what the loss itself gives for that answer."""

import math

import pytest
import torch

from explorer.core import registry
from explorer.problems.loss import cross_entropy, masked_cross_entropy, mse


def test_known_answers():
    """Even classes: their number's logarithm; one class alone: none; targets of a regression: their variance."""
    assert cross_entropy.constant(torch.arange(8)) == pytest.approx(math.log(8))
    assert cross_entropy.constant(torch.zeros(5, dtype=torch.int64)) == 0
    assert masked_cross_entropy.constant(torch.tensor([[-1, 0, 1], [2, -1, 3]])) == pytest.approx(math.log(4))
    assert mse.constant(torch.tensor([[0.0, 5.0], [2.0, 5.0]])) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(3))
def test_the_constant_answer_has_that_loss_and_others_have_more(seed):
    """Measured by the losses themselves; a little beside the answer it is worse."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(5, (40,), generator=generator)
    logits = (torch.bincount(classes, minlength=5).double() / 40).log()
    numbers = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    for module, targets, best in ((cross_entropy, classes, logits), (mse, numbers, numbers.mean(dim=0))):
        assert float(module.losses(best.expand(40, -1), targets).mean()) == pytest.approx(module.constant(targets))
        for _ in range(5):
            beside = best + 0.1 * torch.randn(best.shape, generator=generator, dtype=torch.float64)
            assert float(module.losses(beside.expand(40, -1), targets).mean()) > module.constant(targets)


def test_every_loss_of_ours_with_targets_says_it():
    """What compares with another model has no constant to be compared with."""
    for name in registry.names("loss"):
        module = __import__(f"explorer.problems.loss.{name}", fromlist=["losses"])
        assert hasattr(module, "constant") == (registry.targets_of(name) != "reference")
