"""Auxiliary task: trains on other labels of the same inputs, a coarser grouping of the classes. A stage of model ratatouille.

Ramé, Ahuja, Zhang, Cord, Bottou & Lopez-Paz 2023, "Model Ratatouille: Recycling Diverse Models for Out-of-Distribution Generalization" (ICML), where
the auxiliary tasks are other data sets. A problem that stands alone has none, so they are made of it: task i puts its classes into `groups` groups of
nearly equal size, at random, and asks for the group. The last layer is re-initialised, from the initial weights of the seed `task`, with the shape it has; the
groups are its first outputs. The rate falls along half a cosine; the rest as in `sgd`. Classification only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.classifier_head import head_of
from explorer.training.learner import Learner, falling
from explorer.training.options import TrainingOptions
from explorer.training.resumable import ResumableTraining

STAGE = True  # of a longer training, not one of its own


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    task: Annotated[int, Range(0, 2147483647)] = 0,
    groups: Annotated[int, Range(2, 1000000)] = 2,
    how: TrainingOptions = TrainingOptions(epochs=5, lr=0.05),
    noise: Annotated[float, Range(0, 1000)] = 0.0,
    device: str = "cpu",
    training: ResumableTraining | None = None,
) -> Iterator[Weights]:
    """Snapshots on the CPU, one after each epoch. `task`: which grouping of the classes, and the order of the batches. Refused for other than classes."""
    split = problem.split("train")
    if split.targets.is_floating_point() or split.targets.dim() != 1:
        raise Refused("An auxiliary task groups classes, one for each sample. This problem has another kind of target: choose one with classes.")
    classes = len(problem.classes)
    if groups > classes:
        raise Refused(f"{classes} classes cannot be put into {groups} groups. Ask for at most {classes}.")
    head = head_of(problem)
    begun = dict(start) if start is not None else problem.network(seed=how.seed).state_dict()
    fresh = problem.network(seed=task).state_dict()
    learner = Learner(
        problem,
        {n: fresh[n] if n in head else t for n, t in begun.items()},
        how,
        lambda step, parts: falling(step, how.epochs * parts),
        order_seed=task,
        noise=noise,
        targets=grouping(classes, groups, task)[split.targets],
        device=device,
    )
    for step in (training or ResumableTraining()).steps(learner):
        if step % learner.parts == 0:
            yield learner.weights()


def grouping(classes: int, groups: int, task: int) -> Tensor:
    """(classes,) the group of each class."""
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(task))
    group = torch.empty(classes, dtype=torch.int64)
    group[order] = torch.arange(classes) % groups
    return group
