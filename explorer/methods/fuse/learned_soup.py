"""Learned soup: mixing coefficients found by gradient descent on the validation split.

Wortsman et al. 2022, "Model soups" (ICML), appendix:

    minimise over α, β   L(β · f(x, Σᵢ cᵢ Wᵢ)),        c = softmax(α)

one c for all of the network, or one for each layer or each tensor (`per`). It begins at the average, and moves the models no further than their
convex hull; `form = "free"` learns c itself, which may be negative and need not sum to 1. `scale` learns β, which scales the outputs during the
search only: otherwise coefficients are spent on correcting how sure the mixture is.

It is a descent from the average: where the average is far worse than the models, as between trainings that were not aligned, it may not find back
to them. Needs labels of the validation split, which must not be the one that is reported on: with a coefficient per tensor and a small split, the
search overfits. All models are in memory at once. Batch norms use their batch's statistics during the search, so `batch` should not be small for
such networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._learned_coefficients import Descent, learned, mixed, softmax
from explorer.problems.problem import Problem
from explorer.problems.reduced import mean_loss

DATA = "val labels"  # what it needs besides the models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    per: Literal["model", "layer", "tensor"] = "model",
    form: Literal["softmax", "free"] = "softmax",
    scale: bool = True,
    epochs: Annotated[int, Range(0, 10000)] = 20,
    lr: Annotated[float, Range(0, 100)] = 0.05,
    batch: Annotated[int, Range(1, 1048576)] = 128,
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `samples`: of the validation split, 0 for all; 0 epochs give the average."""
    n = len(models)

    def loss(outputs: Callable[[Tensor], Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return mean_loss(problem, outputs(inputs), targets)

    found = learned(
        models,
        problem,
        loss,
        softmax if form == "softmax" else torch.clone,
        (0.0,) * n if form == "softmax" else (1 / n,) * n,
        per=per,
        split="val",
        how=Descent(epochs, lr, batch, samples, seed),
        scale=scale and registry.classifies(problem.spec.loss),  # the outputs of a regression have a scale of their own
        device=device,
        progress=progress,
    )
    return mixed(models, problem, found)
