"""What people hand over without having read a page: each either gives the numbers of the plain way, or one sentence that says what to give instead."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from explorer.api import align, interpolate, live_problem
from explorer.core.errors import Refused
from explorer.problems.problem import Problem

GRID = {"sampler": "grid", "options": {"size": 5}}
X, Y = torch.randn(160, 6, generator=torch.Generator().manual_seed(0)), torch.arange(160) % 3


class Normed(nn.Module):
    """A batch norm, whose statistics are of a batch and never of one sample."""

    def __init__(self):
        super().__init__()
        self.hidden, self.norm, self.out = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x):
        return self.out(torch.relu(self.norm(self.hidden(x))))


class WithLoss(Normed):
    """Gives its own loss, which is more than a cross-entropy, when it is told the labels."""

    def forward(self, x, labels=None):
        logits = super().forward(x)
        return {"logits": logits} | ({} if labels is None else {"loss": cross_entropy(logits, labels) + 0.1 * logits.square().mean()})


class Counting(nn.Module):
    """Pools as many groups as it finds in its inputs, which no graph can be traced through."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x, group):
        hidden = torch.relu(self.hidden(x))
        return self.out(torch.zeros(int(group.max()) + 1, 8, dtype=hidden.dtype).index_add(0, group, hidden))


def pair(kind):
    """Two networks of a class, at different places."""
    found = []
    for seed in range(2):
        torch.manual_seed(seed)
        found.append(kind())
    return found


def test_a_mean_over_the_batch_goes_with_batch_norm(home):
    """Asked about each sample alone, while its statistics are re-estimated on whole batches: the numbers of the plain cross-entropy."""
    plain = interpolate(*pair(Normed), data=(X, Y), **GRID, home=home)
    mean = interpolate(*pair(Normed), data=(X, Y), forward=lambda model, batch: cross_entropy(model(batch[0]), batch[1]), **GRID, home=home)
    assert np.allclose(plain.points.values[:, 0], mean.points.values[:, 0], rtol=1e-5)


def test_a_loss_of_the_models_own_goes_with_batch_norm(home):
    """Against the two terms by hand."""
    own = interpolate(*pair(WithLoss), data={"x": X, "labels": Y}, **GRID, home=home)

    def both(outputs, targets):
        return cross_entropy(outputs, targets, reduction="none") + 0.1 * outputs.square().mean(dim=1)

    by_hand = interpolate(*pair(Normed), data=(X, Y), loss=both, **GRID, home=home)
    assert np.allclose(own.points.values[:, 0], by_hand.points.values[:, 0], rtol=1e-5)


def test_lists_of_numbers_are_arrays(home):
    """As .tolist() gives them."""
    lists, arrays = (interpolate(*pair(Normed), data=d, **GRID, home=home) for d in ((X.tolist(), Y.tolist()), (X, Y)))
    assert lists.run.id == arrays.run.id


def test_a_symmetry_by_hand_aligns_what_cannot_be_traced(home):
    """Refused without, in a sentence that says how; with it the units move; a wrong one is found out."""

    def loss(model, batch):
        return cross_entropy(model(batch["x"], batch["group"]), batch["y"], reduction="none")

    def graphs(items):
        return {
            "x": torch.cat([torch.stack([x, -x]) for x, _ in items]),
            "group": torch.arange(len(items)).repeat_interleave(2),
            "y": torch.stack([y for _, y in items]),
        }

    a, b = pair(Counting)
    data = DataLoader(TensorDataset(X, Y), 20, collate_fn=graphs)
    with pytest.raises(Refused, match=re.escape("or symmetry= of live_problem")):
        align(a, b, problem=live_problem(a, data, forward=loss), **GRID, home=home)
    units = {"hidden.weight": ["h", "-"], "hidden.bias": ["h"], "out.weight": ["-", "h"]}
    (moved,) = align(a, b, problem=live_problem(a, data, forward=loss, symmetry=units), **GRID, home=home).pairs
    assert not np.array_equal(moved.before.points.values, moved.after.points.values)
    assert np.allclose(moved.before.points.values[-1], moved.after.points.values[-1], rtol=1e-5)  # the same function in another order
    with pytest.raises(Refused, match="The symmetry written by hand is not one of this network"):
        align(a, b, problem=live_problem(a, data, forward=loss, symmetry={**units, "hidden.bias": ["-"]}), **GRID, home=home)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": X}, "for an autoencoder (x, x)"),
        ({"data": (X, Y.float())}, "Where they are classes, make them whole numbers."),
        (
            {"data": (X, Y), "forward": lambda model, batch: model(batch[0] + torch.randn_like(batch[0])).square().mean(dim=1)},
            "Draw them once for each",
        ),
        ({"data": (X, Y), "output": "scores"}, "There is no output 'scores'."),
    ],
)
def test_what_is_missing_is_said(given, message, home):
    """One sentence, with what to give."""
    with pytest.raises(Refused, match=re.escape(message)):
        interpolate(*pair(Normed), **given, **GRID, home=home)


class Denoiser(nn.Module):
    """Guesses the noise in its input, told how far in it is."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(7, 16), nn.Linear(16, 6)

    def forward(self, x, step):
        return self.out(torch.tanh(self.hidden(torch.cat([x, step], dim=-1))))


class Policy(nn.Module):
    """Weights and nothing that is called by itself: whoever plays uses its layer."""

    def __init__(self):
        super().__init__()
        self.act = nn.Linear(6, 2)


def denoising(model, batch):
    """Of a diffusion: the noise comes with the data, so that every point of a line is asked the same."""
    clean, noise, step = batch
    return (model((1 - step) * clean + step * noise, step) - noise).square().mean(dim=-1)


def played(model, starts):
    """Of reinforcement learning: minus the return of an episode from each start, twenty steps long."""
    state, total = starts, torch.zeros(len(starts))
    for _ in range(20):
        push = torch.softmax(model.act(state), dim=-1)[:, :1]
        state = 0.9 * state + 0.1 * push
        total = total - state.square().sum(dim=-1)
    return -total


@pytest.mark.parametrize(
    ("kind", "data", "forward"),
    [
        (Denoiser, TensorDataset(X, X.flip(0), torch.linspace(0.05, 0.95, len(X))[:, None]), denoising),
        (Policy, TensorDataset(X), lambda model, batch: played(model, *batch)),
    ],
    ids=["diffusion", "returns"],
)
def test_what_is_no_classification_is_what_forward_says_of_each_sample(kind, data, forward, home):
    """The loss at both ends and in the middle is the plain mean over the test samples."""
    a, b = pair(kind)
    problem = live_problem(a, DataLoader(data, 20), forward=forward)
    line = interpolate(a, b, problem=problem, **GRID, home=home)
    rows = Problem(problem).split("test").inputs[:, 0].long()
    batch = [tensor[rows] for tensor in data.tensors]
    middle = kind()
    middle.load_state_dict({n: (t + b.state_dict()[n]) / 2 for n, t in a.state_dict().items()})
    found = line.points.sorted().means()[[0, 2, 4], 0]
    with torch.no_grad():
        assert found == pytest.approx([forward(model, batch).mean().item() for model in (a, middle, b)], rel=1e-4)
