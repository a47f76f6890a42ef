"""Linear probe: trains only the last layer, on frozen features. A stage of model ratatouille.

Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution" (ICLR); Ramé et al. 2023, "Model Ratatouille". Every
other parameter and all batch-norm statistics come out as they went in. The last layer is re-initialised, at zero: the loss is convex in it, so where it begins
matters little. The rate falls along half a cosine; the rest as in `sgd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
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
    how: TrainingOptions = TrainingOptions(epochs=5),
    order_seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    training: ResumableTraining | None = None,
) -> Iterator[Weights]:
    """Snapshots on the CPU, one after each epoch."""
    head = head_of(problem)
    begun = dict(start) if start is not None else problem.network(seed=how.seed).state_dict()
    learner = Learner(
        problem,
        {n: torch.zeros_like(t) if n in head else t for n, t in begun.items()},
        how,
        lambda step, parts: falling(step, how.epochs * parts),
        order_seed=order_seed,
        only=head,
        device=device,
    )
    for step in (training or ResumableTraining()).steps(learner):
        if step % learner.parts == 0:
            yield learner.weights()
