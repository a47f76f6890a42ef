"""A loss of your own for classes of which some are not asked for (−1), which the process holds as a function (explorer.problems.held)."""

from __future__ import annotations

from torch import Tensor

from explorer.problems import held

TARGETS = "masked"


def losses(outputs: Tensor, targets: Tensor, *, which: str = "") -> Tensor:
    """(n, …, C), (n, …) → (n, m), 0 where nothing is asked."""
    return held.loss(which).items(outputs, targets)


def counted(targets: Tensor, *, which: str = "") -> Tensor:
    """(n,) how many items of each sample are asked for."""
    return (targets >= 0).flatten(1).sum(dim=1)


def wrong(outputs: Tensor, targets: Tensor, *, which: str = "") -> Tensor:
    """(n, m) whether the largest output is not that of a class that is asked for."""
    return ((outputs.argmax(dim=-1) != targets) & (targets >= 0)).reshape(len(targets), -1)


def shares(targets: Tensor, *, which: str = "") -> Tensor | None:
    """(n,) the weights by which the mean of the loss divides, where classes have weights."""
    share = held.loss(which).share
    return None if share is None else share(targets)
