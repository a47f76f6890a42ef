"""A loss of your own between outputs for classes and the true classes, which the process holds as a function (explorer.problems.held)."""

from __future__ import annotations

from torch import Tensor

from explorer.problems import held

TARGETS = "classes"


def losses(outputs: Tensor, targets: Tensor, *, which: str = "") -> Tensor:
    """(n, …, C), (n, …) → (n, m)."""
    return held.loss(which).items(outputs, targets)


def shares(targets: Tensor, *, which: str = "") -> Tensor | None:
    """(n,) the weights by which the mean of the loss divides, where classes have weights."""
    share = held.loss(which).share
    return None if share is None else share(targets)
