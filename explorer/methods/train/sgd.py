"""Gradient descent on shuffled batches: SGD with momentum, or AdamW.

Sutskever et al. 2013 (momentum); Loshchilov & Hutter 2017 (cosine rate), 2019 (decoupled decay). Trains on the problem's
train split and yields the weights after each epoch, parameters and buffers. On a CPU the result depends on the arguments
alone (and on the number of threads, which decides how sums are split): two runs agree bit for bit. The global random state
is left as it was.

`seed` draws the initial weights, `order_seed` the order of the batches, the noise and the shifts: two children of one
start that differ in nothing but `order_seed` tell whether the start had already settled their basin (Frankle et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.learner import Learner, falling
from explorer.training.options import ScheduledOptions
from explorer.training.resumable import ResumableTraining


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    how: ScheduledOptions = ScheduledOptions(),
    optimizer: Literal["sgd", "adamw"] = "sgd",
    warmup: Annotated[int, Range(0, 1000000)] = 0,
    label_noise: Annotated[float, Range(0, 1)] = 0.0,
    device: str = "cpu",
    training: ResumableTraining | None = None,
) -> Iterator[Weights]:
    """Snapshots on the CPU, one after each epoch.

    `start`: weights to begin from instead of initial ones; it is not written to. `momentum` is β₁ for AdamW. `cosine` lets
    the rate fall from `lr` to 0 over all epochs, after `warmup` steps in which it rises. `label_noise`: the share of train
    samples whose target is replaced by a random class, drawn once. `noise`: standard deviation of Gaussian noise on the
    inputs; `shift`: images (n, c, h, w) are moved by up to one pixel, a batch at a time; both do nothing to tokens. Raises Refused when the loss stops being finite.
    """

    def rate(step: int, parts: int) -> float:
        rise = min(1.0, (step + 1) / (warmup + 1))
        return rise if how.schedule == "constant" else rise * falling(step, how.epochs * parts)

    learner = Learner(
        problem,
        start,
        how,
        rate,
        order_seed=how.order_seed,
        noise=how.noise,
        shift=how.shift,
        optimizer=optimizer,
        label_noise=label_noise,
        device=device,
    )
    for step in (training or ResumableTraining()).steps(learner):
        if step % learner.parts == 0:
            yield learner.weights()
