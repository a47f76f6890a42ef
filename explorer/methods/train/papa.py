"""PAPA: a population of networks on different batches, pulled slightly towards their mean or averaged from time to time.

Jolicoeur-Martineau, Gervais, Fatras, Zhang & Lacoste-Julien 2024, "PopulAtion Parameter Averaging" (TMLR, arXiv 2304.03094). Three ways:

    pull     every `every` steps        Wᵢ ← α Wᵢ + (1 − α) W̄        the mean stays, the spread shrinks by α
    all      every `pause` epochs       Wᵢ ← W̄                        PAPA-all
    pairs    every `pause` epochs       two at a time become their mean        PAPA-2

After an average in the ways `all` and `pairs` the last networks stay apart: none is made in the last epoch. The final result is their soup
(uniform or greedy). α = 1 gives independent trainings. `anneal`: α comes closer to 1 as the rate falls, 1 − (1 − α) · rate / lr.
α, `every` and `pause` are as we chose them.

All networks begin at the same weights; network i sees the batches and the noise of `order_seed` + i. Pulled and averaged are parameters; every network
keeps its own momentum and its own batch-norm statistics, which go on with training. Pairs are redrawn each time; they are disjoint, and of an odd
number one stays as it is. The rest as in `sgd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import numpy as np
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.learner import Learner, falling
from explorer.training.options import ScheduledOptions
from explorer.training.population import become_mean, pull
from explorer.training.resumable import ResumableTraining


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    members: Annotated[int, Range(1, 64)] = 3,
    way: Literal["pull", "all", "pairs"] = "pull",
    alpha: Annotated[float, Range(0, 1)] = 0.99,
    every: Annotated[int, Range(1, 1000000)] = 10,
    pause: Annotated[int, Range(1, 10000)] = 5,
    anneal: bool = True,
    how: ScheduledOptions = ScheduledOptions(),
    device: str = "cpu",
    training: ResumableTraining | None = None,
) -> Iterator[tuple[Weights, ...]]:
    """The networks on the CPU, all of them after each epoch. `alpha`, `every` and `anneal` are the pull's, `pause` the others'."""

    def rate(step: int, parts: int) -> float:
        return 1.0 if how.schedule == "constant" else falling(step, how.epochs * parts)

    many = [
        Learner(problem, start, how, rate, order_seed=how.order_seed + i, noise=how.noise, shift=how.shift, device=device) for i in range(members)
    ]
    networks, parts = [learner.parameters for learner in many], many[0].parts
    rng = np.random.default_rng(how.order_seed)
    for step in (training or ResumableTraining()).steps(*many, dice=rng):
        if way == "pull" and step % every == 0:
            pull(networks, 1 - (1 - alpha) * (rate(step - 1, parts) if anneal else 1.0))
        elif way != "pull" and step % (pause * parts) == 0 and step < how.epochs * parts:
            order = rng.permutation(members)
            for group in [order] if way == "all" else [order[i : i + 2] for i in range(0, members, 2)]:
                become_mean([networks[i] for i in group])
        if step % parts == 0:
            yield tuple(learner.weights() for learner in many)
