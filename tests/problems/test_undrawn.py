"""Networks that are built to be written into: equal once they are, and built with random numbers where something depends on these."""

import pytest
import torch
from torch import nn

from explorer.core import registry
from explorer.problems.nets import mlp, resnet
from explorer.problems.undrawn import undrawn


class Projected(nn.Module):
    """A fixed random projection that no checkpoint holds, drawn after the weights."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.register_buffer("projection", torch.randn(8, 8), persistent=False)

    def forward(self, x):
        return self.layer(x @ self.projection)


class Anchored(nn.Module):
    """It remembers where it began, in no checkpoint."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.register_buffer("began", self.layer.weight.detach().clone(), persistent=False)

    def forward(self, x):
        return self.layer(x) + x @ self.began


class FilledProjection(Projected):
    """As above, filled in place."""

    def __init__(self):
        super().__init__()
        self.projection = torch.empty(8, 8).normal_()


def seeded(build):
    """What a build gives from the seed 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().eval()


BUILDS = {
    **{"mlp": mlp.build, "resnet": resnet.build, "projected": Projected, "anchored": Anchored, "filled": FilledProjection},
    "recurrent": lambda: nn.Sequential(nn.Embedding(5, 4, padding_idx=0), nn.BatchNorm1d(3)),
    "orthogonal": lambda: nn.utils.parametrizations.orthogonal(nn.Linear(6, 6)),
}


@pytest.mark.parametrize("name", BUILDS)
def test_with_a_checkpoint_written_in_it_is_the_network(name):
    """Every tensor that it computes with, those that no checkpoint holds too, and what they stand for."""
    drawn, filled = seeded(BUILDS[name]), seeded(lambda: undrawn(BUILDS[name]))
    filled.load_state_dict(drawn.state_dict())
    assert [n for n, _ in filled.named_buffers()] == [n for n, _ in drawn.named_buffers()]
    for (_, a), (_, b) in zip(
        (*drawn.named_buffers(), *drawn.named_parameters()), (*filled.named_buffers(), *filled.named_parameters()), strict=True
    ):
        assert torch.equal(a, b)


def test_nothing_is_drawn_where_a_checkpoint_says_all():
    """The generator of random numbers stays where it was."""
    before = torch.get_rng_state()
    undrawn(lambda: mlp.build(widths=(4, 8, 2)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [n for n in registry.names("nets") if n not in ("factory", "program", "hugging_face", "timm", "torchvision")])
def test_no_network_of_ours_needs_its_initial_weights(name):
    """Each is built without drawing one."""
    build = registry.find("nets", name)
    before = torch.get_rng_state()
    undrawn(build)
    assert torch.equal(torch.get_rng_state(), before)
