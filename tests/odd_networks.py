"""Networks as people write them, for the 64 inputs and 10 classes of the digits: each does something that most do not."""

import threading

import torch
from torch import nn

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
