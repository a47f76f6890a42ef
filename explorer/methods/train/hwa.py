"""Hierarchical averaging: networks trained in parallel that are averaged and start again from their average, again and again.

Gu et al. 2023, "Hierarchical Weight Averaging for Deep Neural Networks" (IEEE TNNLS). The inner, online average: `replicas` networks see other batches,
and every H steps each becomes the mean of all, `per_epoch` times in an epoch. Those means are the snapshots. The outer, offline average is the mean of the
last I of them: `fuse/lawa`. One replica is plain SGD and the outer average then LAWA; I = 1 is local SGD (periodic averaging).
How often (H) and how many means (I) are as we chose them.

Each replica keeps its momentum when it starts again. Batch-norm statistics of the means are measured on train samples. The rate falls along half a
cosine, or stays; the rest as in `sgd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.evaluate.evaluator import with_own_statistics
from explorer.problems.problem import Problem
from explorer.training.learner import How, Learner, falling, snapshot_steps
from explorer.training.population import become_mean
from explorer.training.resumable import Course


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    replicas: Annotated[int, Range(1, 64)] = 2,
    per_epoch: Annotated[int, Range(1, 100000)] = 1,
    epochs: Annotated[int, Range(1, 10000)] = 20,
    lr: Annotated[float, Range(0, 100)] = 0.1,
    schedule: Literal["cosine", "constant"] = "cosine",
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9,
    weight_decay: Annotated[float, Range(0, 100)] = 0.0,
    batch: Annotated[int, Range(1, 1048576)] = 64,
    noise: Annotated[float, Range(0, 1000)] = 0.0,
    shift: bool = False,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    order_seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    course: Course | None = None,
) -> Iterator[Weights]:
    """The means on the CPU, `per_epoch` in each epoch. Replica k sees the batches of `order_seed` + k."""
    how = How(epochs, lr, momentum, weight_decay, batch, noise=noise, shift=shift)

    def rate(step: int, parts: int) -> float:
        return 1.0 if schedule == "constant" else falling(step, epochs * parts)

    many = [Learner(problem, start, how, rate, seed=seed, order_seed=order_seed + k, device=device) for k in range(replicas)]
    parts = many[0].parts
    due = {s % parts for s in snapshot_steps(parts, per_epoch)}
    for step in (course or Course()).steps(*many):
        if step % parts in due:
            become_mean([learner.parameters for learner in many])
            weights = many[0].weights()
            yield weights if replicas == 1 else with_own_statistics(weights, problem)
