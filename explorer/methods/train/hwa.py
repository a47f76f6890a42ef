"""Hierarchical averaging: networks trained in parallel that are repeatedly averaged and restarted from their average.

Gu et al. 2023, "Hierarchical Weight Averaging for Deep Neural Networks" (IEEE TNNLS). The inner, online average: `replicas` networks see different batches,
and every H steps each becomes the mean of all, `per_epoch` times in an epoch. Those means are the snapshots. The outer, offline average is the mean of the
last I of them: `fuse/lawa`. One replica is plain SGD and the outer average then LAWA; I = 1 is local SGD (periodic averaging).
How often (H) and how many means (I) are as we chose them.

Each replica keeps its momentum when it starts again. Batch-norm statistics of the means are measured on train samples. The rate falls along half a
cosine, or stays; the rest as in `sgd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.evaluate.mixture import with_own_statistics
from explorer.problems.problem import Problem
from explorer.training.learner import Learner, falling, snapshot_steps
from explorer.training.options import ScheduledOptions
from explorer.training.population import become_mean
from explorer.training.resumable import ResumableTraining


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    replicas: Annotated[int, Range(1, 64)] = 2,
    per_epoch: Annotated[int, Range(1, 100000)] = 1,
    how: ScheduledOptions = ScheduledOptions(),
    device: str = "cpu",
    training: ResumableTraining | None = None,
) -> Iterator[Weights]:
    """The means on the CPU, `per_epoch` in each epoch. Replica k sees the batches of `order_seed` + k."""

    def rate(step: int, parts: int) -> float:
        return 1.0 if how.schedule == "constant" else falling(step, how.epochs * parts)

    many = [
        Learner(problem, start, how, rate, order_seed=how.order_seed + k, noise=how.noise, shift=how.shift, device=device) for k in range(replicas)
    ]
    parts = many[0].parts
    due = {s % parts for s in snapshot_steps(parts, per_epoch)}
    for step in (training or ResumableTraining()).steps(*many):
        if step % parts in due:
            become_mean([learner.parameters for learner in many])
            weights = many[0].weights()
            yield weights if replicas == 1 else with_own_statistics(weights, problem)
