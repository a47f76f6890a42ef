"""The losses of a batch as one number: every item that counts is worth the same, whichever sample it is in.

Texts that are filled up have different numbers of tokens that count, and a loss may weight classes. The mean is then

    L = Σ losses / Σ worth,    worth: what each sample counts for (Problem.worth)

and neither the mean of the samples' means nor that of the array of losses, which holds a 0 wherever nothing is asked.
"""

from __future__ import annotations

from torch import Tensor

from explorer.problems.problem import Problem

TINY = 1e-30  # a batch in which nothing counts has the loss 0, and moves nothing


def mean_loss(problem: Problem, outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean loss of all items of a batch, a scalar that is differentiable in the outputs."""
    losses, each = problem.losses(outputs, targets), problem.worth(targets)
    return losses.mean() if each is None else losses.sum() / each.sum().to(losses.dtype).clamp(min=TINY)


def sample_losses(problem: Problem, outputs: Tensor, targets: Tensor) -> Tensor:
    """(n,) the mean loss of each sample over its own items."""
    losses, each = problem.losses(outputs, targets).flatten(1), problem.worth(targets)
    return losses.mean(dim=1) if each is None else losses.sum(dim=1) / each.to(losses.dtype).clamp(min=TINY)


def counted(problem: Problem, targets: Tensor, items: int) -> tuple[Tensor, float]:
    """(n,) how many of the `items` of each sample count, and what losses are multiplied by so that their sum over these counts is the mean."""
    count, shares = problem.counted(targets, items).cpu(), problem.shares(targets)
    return count, 1.0 if shares is None else float(count.sum() / shares.sum())
