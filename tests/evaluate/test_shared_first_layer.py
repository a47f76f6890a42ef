"""Less arithmetic, the same answers: every shortcut against the plain network, and what must not be taken."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from explorer.checkpoints.weights import mix
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.shared_first_layer import SHARED, Shortcuts, calls, channels_go_last, chunk_for
from explorer.problems.nets import mlp, resnet, vgg, vit
from tests.odd_networks import HookedNorm, problem_of

SHARES = np.array([0.7, 0.5, -0.2])


def models(build, count=3):
    """A network, and differing weights for it with batch-norm statistics that are not the initial ones."""
    found = []
    for seed in range(count):
        torch.manual_seed(seed)
        network = build().eval()
        for m in network.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm):
                m.running_mean.uniform_(-1, 1)
                m.running_var.uniform_(0.5, 2)
                if m.affine:
                    nn.init.uniform_(m.weight, 0.5, 2)
                    nn.init.uniform_(m.bias, -1, 1)
        found.append({k: v.detach().clone() for k, v in network.state_dict().items()})
    return network.requires_grad_(False), found


def answers(network, corners, inputs, shares, *, shared=True):
    """Of the plain network and with shortcuts, at one mixture."""
    shortcuts = Shortcuts(network, corners, inputs, shared=shared)
    mix(corners, shares.tolist(), out=network.state_dict(keep_vars=True))
    plain = network(inputs)
    shortcuts.rows = slice(0, len(inputs))
    with shortcuts.taken(shares):
        fast = network(inputs)
    assert torch.equal(network(inputs), plain), "afterwards the network is as it was"
    return shortcuts, plain, fast


CASES = {
    "mlp": (lambda: mlp.build(widths=(784, 32, 16, 10)), (1, 28, 28), True, 0),
    "resnet": (lambda: resnet.build(channels=3, widths=(8, 16), blocks=2), (3, 8, 8), False, 10),
    "vgg with batch norm": (lambda: vgg.build(channels=64, image=8, norm=True), (64, 8, 8), True, 1),
    "vit of large patches": (lambda: vit.build(channels=3, image=16, patch=8), (3, 16, 16), True, 0),
    "batch norm behind a linear layer": (
        lambda: nn.Sequential(nn.Linear(5, 7, bias=False), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 6), nn.BatchNorm1d(6, affine=False)),
        (5,),
        False,
        2,
    ),
    "grouped, dilated, with another padding": (
        lambda: nn.Sequential(nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2, padding_mode="circular"), nn.BatchNorm2d(8), nn.Flatten()),
        (4, 6, 6),
        False,
        1,
    ),
    "convolution in one dimension": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3, stride=2), nn.BatchNorm1d(4), nn.Flatten()), (3, 9), False, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_the_answers_are_those_of_the_plain_network(case):
    """Within float rounding, at a mixture outside the corners' hull too, and the shortcuts that ought to be taken are."""
    build, shape, shared, folded = CASES[case]
    network, corners = models(build)
    inputs = torch.randn(20, *shape, generator=torch.Generator().manual_seed(5))
    shortcuts, plain, fast = answers(network, corners, inputs, SHARES)
    assert (shortcuts.first is not None, len(shortcuts.folded)) == (shared, folded)
    assert float((fast - plain).norm() / plain.norm()) < 2e-6


class Branching(nn.Module):
    """What the convolution answers is seen by another layer as well as by its batch norm."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.conv(x)
        return (self.norm(y) + y.abs()).flatten(1)


class Twice(nn.Module):
    """One layer asked twice."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(64, 64), nn.Linear(64, 3)

    def forward(self, x):
        return self.head(self.layer(functional.relu(self.layer(x))))


class Scaled(nn.Module):
    """A weight that no layer owns comes before the first layer."""

    def __init__(self):
        super().__init__()
        self.scale, self.layer = nn.Parameter(torch.rand(64)), nn.Linear(64, 3)

    def forward(self, x):
        return self.layer(x * self.scale)


@pytest.mark.parametrize(
    ("build", "shape"),
    [(Branching, (2, 4, 4)), (Twice, (64,)), (Scaled, (64,)), (lambda: nn.Sequential(weight_norm(nn.Linear(64, 5)), nn.Linear(5, 2)), (64,))],
)
def test_what_would_be_wrong_is_left_out(build, shape):
    """The trial at a random mixture finds what the shapes do not say; the answers are then bit for bit the plain ones."""
    network, corners = models(build)
    inputs = torch.randn(20, *shape, generator=torch.Generator().manual_seed(5))
    shortcuts, plain, fast = answers(network, corners, inputs, SHARES)
    assert shortcuts.first is None
    assert not shortcuts.folded
    assert torch.equal(fast, plain)


def test_a_corner_that_is_not_finite_takes_no_shortcut():
    """And a mixture without it is measured all the same."""
    network, corners = models(CASES["mlp"][0])
    corners[2] = {k: torch.full_like(v, torch.nan) for k, v in corners[2].items()}
    _, plain, fast = answers(network, corners, torch.randn(20, 784), np.array([0.5, 0.5, 0.0]))
    assert torch.equal(fast, plain)
    assert torch.isfinite(fast).all()


def test_answers_that_would_need_too_much_memory_are_not_kept():
    """One sample less than the bound allows, and one more: inputs are views of one number, so that nothing large is made to ask."""
    network, corners = models(lambda: nn.Sequential(nn.Linear(64, 2**18), nn.AdaptiveAvgPool1d(2)), count=2)
    each = 2 * 2**18 * 4
    made = torch.zeros(1, 1).expand(SHARED // each + 1, 64)
    assert Shortcuts(network, corners, made, shared=True).first is None
    assert Shortcuts(network, corners, made[:4], shared=True).first is not None


def test_the_chunk_follows_from_the_largest_activation():
    """A narrow MLP takes the largest chunk; 16 channels of 32×32 the one that fits 4 MiB."""
    for build, shape, chunk in ((CASES["mlp"][0], (784,), 1024), (lambda: resnet.build(channels=3, widths=(16, 32, 64)), (3, 32, 32), 64)):
        network, _ = models(build, count=1)
        inputs = torch.zeros(2, *shape)
        assert chunk_for(calls(network, inputs), 2) == chunk


def test_channels_go_last_for_large_images_only():
    """And not where a layer needs them first; the network's weights lie as before."""
    large = models(lambda: resnet.build(channels=3, widths=(16, 32)), count=1)[0]
    assert channels_go_last(large, torch.randn(4, 3, 32, 32))
    assert large.stem.weight.is_contiguous()
    assert not channels_go_last(large, torch.randn(4, 3, 8, 8))

    class Viewing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 3)

        def forward(self, x):
            y = self.conv(x)
            return y.view(len(y), -1)

    assert not channels_go_last(Viewing().eval().requires_grad_(False), torch.randn(4, 3, 64, 64))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # that weight_norm is the old one
def test_a_weight_that_a_hook_makes_is_not_folded_before_it_is_made(tmp_path, monkeypatch):
    """Weight norm before a batch norm, statistics mixed: every point is what a fresh network with its weights gives, whatever was measured before."""
    problem = problem_of(HookedNorm, tmp_path, monkeypatch)
    a, b = (problem.network(seed=seed).state_dict() for seed in range(2))
    evaluate = Evaluate(problem, [a, b], samples=64, metrics=("loss",), buffers="mix")
    batch = problem.split("test")
    for t in (0.2, 0.8):
        network = problem.network()
        network.load_state_dict({n: torch.lerp(a[n], b[n], t) if a[n].is_floating_point() else a[n] for n in a})
        with torch.no_grad():
            expected = problem.losses(network(batch.inputs[:64]), batch.targets[:64]).sum()
        assert evaluate(np.array([1 - t, t])).sum() == pytest.approx(float(expected), rel=1e-5)
