"""SWA's trajectory: training at a high or cyclic learning rate, so that its snapshots spread over a good region.

Izmailov, Podoprikhin, Garipov, Vetrov & Wilson 2018, "Averaging Weights Leads to Wider Optima and Better Generalization" (UAI). Until epoch
`begin` the rate falls from `lr` to `swa_lr` along half a cosine. From there on it is constant, or falls in every cycle of c iterations from α₁ = `swa_lr`
to α₂ = `low`:

    α(i) = (1 − t(i)) α₁ + t(i) α₂        t(i) = (mod(i − 1, c) + 1) / c

The snapshots are the iterates; their average is made by `fuse/swa`, which leaves out those up to `begin` and takes one at the end of each cycle.
`per_epoch`: how many snapshots are taken in every epoch, for averages denser than by epochs, such as SWAD. The rest as in `sgd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.learner import Learner, falling, snapshot_steps
from explorer.training.options import AveragedOptions
from explorer.training.resumable import ResumableTraining


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    how: AveragedOptions = AveragedOptions(),
    schedule: Literal["constant", "cyclic"] = "constant",
    low: Annotated[float, Range(0, 100)] = 0.01,
    cycle: Annotated[int, Range(1, 1000)] = 2,
    per_epoch: Annotated[int, Range(1, 100000)] = 1,
    device: str = "cpu",
    training: ResumableTraining | None = None,
) -> Iterator[Weights]:
    """Snapshots on the CPU, `per_epoch` in each epoch. `cycle`: epochs; `low` and `cycle` matter to the cyclic rate alone. `begin` = 0: from the start on."""

    def rate(step: int, parts: int) -> float:
        if step < how.begin * parts:
            return how.swa_lr + (how.lr - how.swa_lr) * falling(step, how.begin * parts)
        if schedule == "constant":
            return how.swa_lr
        t = ((step - how.begin * parts) % (cycle * parts) + 1) / (cycle * parts)
        return (1 - t) * how.swa_lr + t * low

    learner = Learner(problem, start, replace(how, lr=1.0), rate, order_seed=how.order_seed, noise=how.noise, shift=how.shift, device=device)
    due = {s % learner.parts for s in snapshot_steps(learner.parts, per_epoch)}
    for step in (training or ResumableTraining()).steps(learner):
        if step % learner.parts in due:
            yield learner.weights()
