"""AdaMerging: task vectors added with coefficients that minimise the entropy of the predictions (the first model is the base).

Yang, Wang, Shen, Liu, Guo, Wang & Tao 2024, "AdaMerging: Adaptive Model Merging for Multi-Task Learning" (ICLR):

    W = W₀ + Σᵢ λᵢ (Wᵢ − W₀),        λ minimises the mean entropy of softmax f(x, W) over inputs x without labels

one λᵢ for each model, or for each model and layer or tensor (`per`), from `start` on, by Adam, held between 0 and 1 (`hold`).

Needs inputs, no labels; of the validation split, so that the test split stays unseen (the paper adapts to the inputs that it is tested on: split =
"test"). Low entropy does not mean high accuracy: with too many steps the coefficients grow only because larger weights make surer answers, and a model
can be sure of one class for everything. Watch the accuracy on labelled samples. Classification and language models only. All models are in memory
at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.per_tensor import of_number
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._entropy import confidence_is_known, entropy
from explorer.methods.fuse._learned_coefficients import Descent, learned, mixed
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

BASE = True
MODELS = (2, None)
DATA = "val inputs"  # what it needs besides the models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    per: Literal["model", "layer", "tensor"] = "layer",
    start: Annotated[float, Range(-100, 100)] = 0.3,
    hold: bool = True,
    split: Literal["val", "test"] = "val",
    epochs: Annotated[int, Range(0, 10000)] = 20,
    lr: Annotated[float, Range(0, 100)] = 0.01,
    batch: Annotated[int, Range(1, 1048576)] = 128,
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `samples`: of the split, 0 for all; 0 epochs: task arithmetic with the coefficient `start`."""
    of_number(models, MODELS, "adamerging", WANTED)
    confidence_is_known("adamerging", problem)
    found = learned(
        models,
        problem,
        partial(entropy, problem),
        from_base,
        (start,) * (len(models) - 1),
        per=per,
        split=split,
        how=Descent(epochs, lr, batch, samples, seed),
        bounds=(0.0, 1.0) if hold else None,
        device=device,
        progress=progress,
    )
    return mixed(models, problem, found)


def from_base(numbers: Tensor) -> Tensor:
    """(groups, k) coefficients of task vectors → (groups, 1 + k) coefficients of the base and the models."""
    return torch.cat([1 - numbers.sum(dim=-1, keepdim=True), numbers], dim=-1)
