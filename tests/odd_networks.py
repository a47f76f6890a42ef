"""Networks as people write them, for the 64 inputs and 10 classes of the digits: each does something that most do not."""

import threading

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from explorer.checkpoints import checkpoint_file
from explorer.core import trust
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

INPUTS, HIDDEN, CLASSES = 64, 16, 10


class Plain(nn.Module):
    """One hidden layer."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(INPUTS, HIDDEN)
        self.out = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        return self.out(self.between(torch.relu(self.hidden(x.flatten(1)))))

    def between(self, h):
        return h


class Uncopied(Plain):
    """Holds what cannot be copied: a lock, a generator, an open iterator."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()
        self.generator = torch.Generator()
        self.lines = iter(())

    def between(self, h):
        with self.lock:
            return h


class HookedNorm(Plain):
    """The old weight_norm, whose weight is a tensor that a hook computes; a batch norm right behind it."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.utils.weight_norm(self.hidden), nn.BatchNorm1d(HIDDEN))


class ParametrisedNorm(Plain):
    """The new weight_norm."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.utils.parametrizations.weight_norm(self.hidden)


class FunctionalDropout(Plain):
    """Dropout that is never switched off."""

    def between(self, h):
        return functional.dropout(h, 0.5)


class SeldomLeftOut(Plain):
    """Stochastic depth by hand: a whole layer now and then."""

    def between(self, h):
        return h if torch.rand(()) > 0.1 else 0 * h


class OwnNoise(Plain):
    """Noise from a generator of its own: no global one moves."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator()

    def between(self, h):
        return h + 0.1 * torch.randn(h.shape, generator=self.generator)


class NumpyNoise(Plain):
    """Noise that torch knows nothing of."""

    def between(self, h):
        return h + float(np.random.normal())


class CountsAside(Plain):
    """Counts its calls where no state dict sees it."""

    calls = 0.0

    def between(self, h):
        self.calls += 1.0
        return h * self.calls


class DrawsForNothing(Plain):
    """Draws a number and uses it in training only, as some layer drops do."""

    def between(self, h):
        drawn = torch.rand(())
        return h * drawn if self.training else h


class Replaces(Plain):
    """Keeps a running mean of what it has seen, in a new buffer each time, and goes by what was there before."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(1.0))

    def between(self, h):
        seen, self.mean = self.mean, 0.9 * self.mean + 0.1 * h.mean()
        return h * (1 + seen)


class Counts(Plain):
    """Counts its calls in a buffer, in place, and goes by the count; has a batch norm, whose statistics are measured through it."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(self.hidden, nn.BatchNorm1d(HIDDEN))
        self.register_buffer("count", torch.tensor(0.5))

    def between(self, h):
        self.count += 1
        return h * self.count


class Normed(Plain):
    """A batch norm like any other."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(self.hidden, nn.BatchNorm1d(HIDDEN))


class BatchNormOfBatch(Plain):
    """Without running statistics, over pixels as well."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1, track_running_stats=False)

    def forward(self, x):
        return super().forward(self.norm(x))


class CentredByBatch(Plain):
    """Subtracts the mean of the batch by hand."""

    def between(self, h):
        return h - h.mean(dim=0)


def problem_of(network, folder, monkeypatch, data='name = "digits"', split=""):
    """A problem whose network is one of these classes."""
    call = f"{__name__}:{network.__name__}"
    monkeypatch.setattr(trust, "given", frozenset({call}))
    (folder / "problem.toml").write_text(f'[network]\nname = "factory"\ncall = "{call}"\n\n[data]\n{data}\n\n[split]\n{split}\n')
    return Problem(problem_toml.read(folder))


def checkpoints(problem, folder, count=2):
    """Files of freshly drawn weights, `0.safetensors` and on."""
    files = [folder / f"{i}.safetensors" for i in range(count)]
    for i, file in enumerate(files):
        checkpoint_file.write(file, problem.network(seed=i).state_dict())
    return files


class AllNormed(Plain):
    """Both layers under the new weight_norm, the second with one length for all of it."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.utils.parametrizations.weight_norm(self.hidden)
        self.out = nn.utils.parametrizations.weight_norm(self.out, dim=None)
