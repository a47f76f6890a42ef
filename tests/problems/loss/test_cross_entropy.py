"""Cross-entropy: −log softmax of the true class, however many classes there are, with and without gradients."""

import pytest
import torch

from explorer.problems.loss.cross_entropy import VECTOR, losses


@pytest.mark.parametrize("classes", [2, VECTOR - 1, VECTOR, 40])
@pytest.mark.parametrize("items", [(), (3,)])
def test_every_item_has_the_loss_of_its_own_class(classes, items):
    generator = torch.Generator().manual_seed(classes)
    outputs = 4 * torch.randn((7, *items, classes), generator=generator)
    targets = torch.randint(classes, (7, *items), generator=generator)
    outputs.view(-1, classes)[1, 0] = torch.nan
    log_shares = outputs.double() - outputs.double().logsumexp(dim=-1, keepdim=True)
    wanted = -log_shares.gather(-1, targets[..., None]).squeeze(-1).reshape(7, -1)
    found = losses(outputs, targets)
    learning = losses(outputs.clone().requires_grad_(), targets).detach()
    assert found.shape == (7, 3 if items else 1)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=1e-6, equal_nan=True)
    torch.testing.assert_close(learning, found, rtol=1e-6, atol=1e-6, equal_nan=True)
    assert torch.isnan(found).sum() == 1


@pytest.mark.parametrize("classes", [3, 40])
def test_a_class_that_there_is_not_is_an_error(classes):
    with pytest.raises(IndexError, match="out of bounds"):
        losses(torch.zeros(2, classes), torch.tensor([0, classes]))
