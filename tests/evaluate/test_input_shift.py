"""What the first batch norm remembers of its inputs, against inputs at hand."""

import pytest
import torch
from torch import nn

from explorer.evaluate.batch_norm import recalibrate
from explorer.evaluate.input_shift import input_shift
from explorer.stats.model_doubts import of_model


class Normed(nn.Module):
    """The batch norms are not registered in the order in which they are asked."""

    def __init__(self):
        super().__init__()
        self.second, self.first, self.layer = nn.BatchNorm1d(4), nn.BatchNorm1d(4), nn.Linear(4, 4)

    def forward(self, x):
        return self.second(self.layer(self.first(x)))


@pytest.fixture
def normed():
    torch.manual_seed(0)
    network, drawn = Normed().eval(), torch.randn(512, 4)
    inputs = (drawn - drawn.mean(dim=0)) / drawn.std(dim=0)
    recalibrate(network, inputs)
    return network, inputs


def test_inputs_of_its_training_are_near(normed):
    """The layer that is asked first is named, its mean is where it was, its spread as wide; nothing is said."""
    network, inputs = normed
    name, far, wide = input_shift(network, inputs)
    assert name == "first" and far < 0.01 and wide == pytest.approx(1, abs=0.01)
    assert of_model("a", "test", 0.1, None, (name, far, wide)) == []


@pytest.mark.parametrize(("scale", "offset", "far", "wide"), [(1, 5, 5, 1), (50, 0, 0, 50), (0.01, 0, 0, 0.01)])
def test_inputs_on_another_scale_are_far(normed, scale, offset, far, wide):
    """By as many standard deviations, and as many times as wide, as they were moved and scaled: and it is said."""
    network, inputs = normed
    found = input_shift(network, scale * inputs + offset)
    assert found[1] == pytest.approx(far, abs=0.05 * max(scale, 1)) and found[2] == pytest.approx(wide, rel=0.05)
    (said,) = of_model("a", "test", 0.1, None, found)
    assert "first batch norm of a (first)" in said
    assert [m.training for m in network.modules()] == [False] * 4
    assert not network.first._forward_pre_hooks


def test_without_a_batch_norm_nothing_is_known():
    """Nor where none is asked."""
    assert input_shift(nn.Linear(3, 3), torch.randn(5, 3)) is None
    assert input_shift(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False)), torch.randn(5, 3)) is None
