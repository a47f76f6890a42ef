"""Of a large network one copy in float64 is made at a time for the test, and the same is found."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.symmetry import discover


class Reaching(nn.Module):
    """Its last layer is reached past the parameters that a caller may replace: a permutation of the first one changes the output."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.aside = [nn.Parameter(torch.randn(3, 6))]
        self.last = nn.Linear(3, 2)
        self.last_weight = [self.last.weight]

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(functional.relu(functional.linear(functional.relu(self.first(x)), self.aside[0])), self.last_weight[0])


def network() -> nn.Module:
    """An MLP with a batch norm and a tied pair of layers."""
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    net[5].weight = net[3].weight
    return net


@pytest.mark.parametrize("make", [network, Reaching])
def test_a_large_network_has_the_symmetry_of_a_small_one(make, monkeypatch):
    torch.manual_seed(0)
    net = make()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    small = discover(net, (torch.randn(3, 4),))
    monkeypatch.setattr(sys.modules["explorer.symmetry.discover"], "LARGE", 0)
    large = discover(net, (torch.randn(3, 4),))
    assert (large.groups, large.axes, large.warnings) == (small.groups, small.axes, small.warnings)
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())


def test_no_two_copies_of_a_large_network_in_float64_are_held_at_once(monkeypatch):
    """What the network itself holds while others are put through it is next to nothing, and no weights are kept between the tests."""
    module = sys.modules["explorer.symmetry.discover"]
    monkeypatch.setattr(module, "LARGE", 0)
    net, seen = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)), []
    outputs = module._Probe._outputs

    def counting(probe, weights):
        seen.append(sum(p.data.untyped_storage().nbytes() for p in net.parameters()))
        assert not probe.kept
        return outputs(probe, weights)

    monkeypatch.setattr(module._Probe, "_outputs", counting)
    discover(net, (torch.randn(3, 4),))
    assert seen and max(seen) <= 8 * len(list(net.parameters()))  # a NaN each, expanded
