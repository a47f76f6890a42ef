"""Promises of convolutions: the same answers, fewer kernels."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from explorer.evaluate.conv_epilogue import Promise, joined, joins
from explorer.problems.nets.resnet import build


class Plain(nn.Module):
    """A convolution, and whatever is done with it."""

    def __init__(self, after, **settings):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, **settings)
        self.after = after

    def forward(self, x):
        return self.after(self.conv(x), x)


X = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
USES = {
    "relu": lambda y, x: functional.relu(y),
    "module": lambda y, x: nn.ReLU(inplace=True)(y),
    "sum, then relu": lambda y, x: torch.relu(y + y.tensor() * 2 if isinstance(y, Promise) else y + y * 2),
    "tensor first": lambda y, x: functional.relu(torch.ones(4, 1, 1) + y),
    "broadcast": lambda y, x: functional.relu(y + torch.ones(4, 1, 1)),
    "number": lambda y, x: (y + 1).relu(),
    "neither": lambda y, x: y.mean(dim=(2, 3)) + y.shape[1],
    "list": lambda y, x: torch.cat([y, y * 2], dim=1),
    "three": lambda y, x: functional.relu(y + y + y),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("settings", [{}, {"padding": 1, "stride": 2}, {"dilation": 2, "bias": False}])
@torch.inference_mode()
def test_a_promise_is_kept_whatever_is_asked_of_it(use, settings):
    """The answer equals that of the plain network."""
    network = Plain(USES[use], **settings)
    wanted = network(X)
    with joined(network):
        found = network(X)
    torch.testing.assert_close(found.tensor() if isinstance(found, Promise) else found, wanted)
    assert "_conv_forward" not in network.conv.__dict__, "left behind"


@torch.inference_mode()
def test_a_residual_network_asks_for_nothing_but_joined_kernels(monkeypatch):
    """Every convolution of a ResNet ends in a ReLU; only the projections are carried out by themselves."""
    network = build(channels=3, widths=(4, 8), blocks=2).eval()
    for m in list(network.modules()):
        if isinstance(m, nn.BatchNorm2d):  # as when they are folded
            m.forward = lambda x: x
    asked = []
    relu = Promise.relu
    monkeypatch.setattr(Promise, "relu", lambda self, inplace=False: (asked.append(self), relu(self))[1])
    wanted = network(X)
    with joined(network):
        torch.testing.assert_close(network(X), wanted)
    convolutions = sum(isinstance(m, nn.Conv2d) for m in network.modules())
    projections = sum(isinstance(block.project, nn.Conv2d) for stage in network.stages for block in stage)
    assert (convolutions, projections) == (10, 1)
    assert len(asked) == convolutions - projections


def test_a_network_that_cannot_be_joined_is_found_out():
    """Code that insists on a tensor, and an operation in place that somebody else sees; and one without convolutions has nothing to join."""

    def insists(y, x):
        if not isinstance(y, torch.Tensor):
            raise TypeError("a tensor, please")
        return y

    def seen_twice(y, x):
        z = y
        y += 1
        return z

    assert joins(Plain(USES["relu"]), X)
    assert not joins(Plain(insists), X)
    assert not joins(Plain(seen_twice), X)
    assert not joins(nn.Linear(8, 2), X)
