"""Instability analysis: from which epoch of a training on has it settled which basin it ends in?

Frankle, Dziugaite, Roy & Carbin 2020, "Linear Mode Connectivity and the Lottery Ticket Hypothesis". A network is trained to epoch k; two copies
of it are trained to the end with other noise of SGD (order of the batches, noise and shifts of the inputs). The barrier on the line between them, against
k, falls to zero where training is stable to that noise.

A copy takes over the weights alone: momentum begins at zero, a cosine falls from the rate reached to 0 over the epochs that are left, a warmup is over after
epoch 1, and label noise, where there is any, is redrawn. There is one pair for each k: an interval reflects the samples, not other pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi
from typing import NamedTuple

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Field, Method, ProblemSpec, Recipe, Run, Trained


class Branch(NamedTuple):
    """Two copies of one trunk that went their own ways from epoch k on."""

    k: int
    a: Recipe
    b: Recipe


def branches(problem: ProblemSpec, trunk: Method, epochs: Sequence[int], seeds: tuple[int, int] = (101, 202), **changes: object) -> list[Branch]:
    """The pairs to compare; `trunk`: the options of train/sgd, whose epochs are those of trunk and copy together; `changes`: options of the copies.

    A copy begins at the rate that the trunk's schedule has reached, and draws its order from its seed + k, as the shipped branches do; equal seeds give equal
    copies. From the last epoch on nothing is left to train: both copies are the trunk, and their barrier is exactly 0. Refused for an epoch that the training
    does not have.
    """
    total = trunk["epochs"]
    assert isinstance(total, int)
    return [Branch(k, *(_copy(problem, trunk, k, total, seed, changes) for seed in seeds)) for k in sorted(set(epochs))]


def line(problem: ProblemSpec, branch: Branch) -> Run:
    """The request for the barrier between two copies."""
    return Run(Field(problem, (branch.a, branch.b), registry.method("chart", "line")), registry.method("sample", "adaptive"))


def _copy(problem: ProblemSpec, trunk: Method, k: int, total: int, seed: int, changes: dict[str, object]) -> Recipe:
    if not 0 <= k <= total:
        raise Refused(f"A training of {total} epochs cannot be branched at epoch {k}. Choose epochs from 0 to {total}.")
    if k == total:
        return Trained(problem, trunk, at=total, name=f"trunk, epoch {total}")
    lr = trunk["lr"]
    assert isinstance(lr, float)
    reached = lr * (1 + cos(pi * k / total)) / 2 if trunk["schedule"] == "cosine" else lr
    rest: dict[str, object] = {"epochs": total - k, "lr": reached, "order_seed": seed + k, "warmup": trunk["warmup"] if k == 0 else 0}
    method = registry.method("train", trunk.name, {**trunk.kwargs(), **rest, **changes})
    start = Trained(problem, trunk, at=k, name=f"trunk, epoch {k}") if k else None
    return Trained(problem, method, start, name=f"from epoch {k}, seed {seed + k}")
