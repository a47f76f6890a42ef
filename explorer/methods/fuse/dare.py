"""DARE: drop a share of each model's changes at random and scale up the rest. The first model is the base.

Yu, Yu, Yu, Huang & Li 2024, "Language Models are Super Mario: Absorbing Abilities from Homologous Models as a Free Lunch". Every entry of a
task vector τᵢ = Wᵢ − W₀ is dropped with the probability `drop` = p, and what stays is divided by 1 − p: its expectation is what it was, so without an
election of signs the expectation of the result is W₀ + scale · mean τᵢ. With an election (`elect`, as in ties) the mean is over the entries that
stayed and agree, so changes come out about 1/(1 − p) times as large: take a `scale` of about 1 − p.

The draws depend on the seed, the model's place and the tensor's name alone. The variance grows as p/(1 − p): a p of 0.9 needs changes that are small, as after short fine-tuning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from explorer.checkpoints.arithmetic import draws, dropped
from explorer.checkpoints.passes import Passes
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_vectors import Keep, Stays, Thin, merged
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    drop: Annotated[float, Range(0, 0.999)] = 0.5,
    elect: Literal["none", "mass", "count"] = "none",
    weights: tuple[float, ...] = (),
    scale: Annotated[float, Range(-10, 10)] = 1.0,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `weights`: how much each model after the base counts, empty for equally."""

    return merged(models, problem, dropping(drop, seed), method="dare", weights=weights, elect=elect, scale=scale, progress=progress)


def dropping(drop: float, seed: int, *, rescale: bool = True) -> Keep:
    """Every entry is dropped with one probability; what stays is divided by what that leaves, unless `rescale` is off."""

    def keep(passes: Passes, model: int) -> Stays:
        def stays(name: str) -> Thin:
            generator = draws(seed, model - 1, name)
            back = 1.0 if rescale else 1 - drop
            return lambda vector: dropped(vector, drop, generator).mul_(back)

        return stays

    return keep
