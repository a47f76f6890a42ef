"""TWA: the best mixture of a training's snapshots, found by gradient descent in the few dimensions that they span.

Li, Huang, Tao, Liu & Huang 2023, "Trainable Weight Averaging" (ICLR, arXiv 2205.13104): with an orthonormal basis P of the snapshots' span, from their
mean on

    w ← w − η P Pᵀ ∇L(w)

on the train split (TWA-t) or on the validation split (TWA-v). Here P is never formed: the snapshots' Gram matrix gives the basis as coefficients, and
what moves are the few numbers Pᵀw. SGD, its rate falling along half a cosine. `span`: `affine` keeps the coefficients' sum at 1, so that the result stays a
weighted mean of the snapshots; `linear` is the paper's, which may also make all weights larger or smaller.

A rate of 0, or no epochs, is SWA. The order of the models does not matter. All are in memory at once; batch norms use their batch's statistics meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.per_tensor import linear
from explorer.checkpoints.weights import Weights, gram
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._learned_coefficients import Descent, learned
from explorer.methods.fuse._weighted_mean import averaged
from explorer.problems.problem import Problem
from explorer.problems.reduced import mean_loss
from explorer.stats import averaging_coefficients

ROUNDING = 1e-12  # of the largest squared length: directions shorter than that are none
DATA = "train labels"  # what it needs besides the models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    split: Literal["train", "val"] = "train",
    span: Literal["affine", "linear"] = "affine",
    epochs: Annotated[int, Range(0, 10000)] = 5,
    lr: Annotated[float, Range(0, 100)] = 0.05,
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9,
    batch: Annotated[int, Range(1, 1048576)] = 128,
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `samples`: of the split, 0 for all. Refused when the loss stops being finite."""
    mean = averaging_coefficients.swa(len(models))
    names = problem.parameters()
    inner, origin = gram(models, names), mean if span == "affine" else np.zeros(len(models))
    rows = basis(inner, origin)
    if not len(rows) or not epochs:
        return averaged(models, problem, mean, progress=progress)
    matrix, at = torch.from_numpy(rows).to(device), torch.from_numpy(origin).to(device)

    def loss(outputs: Callable[[Tensor], Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return mean_loss(problem, outputs(inputs), targets)

    found = learned(
        models,
        problem,
        loss,
        lambda z: z @ matrix + at,
        (rows @ inner @ (mean - origin)).tolist(),
        per="model",
        split=split,
        how=Descent(epochs, lr, batch, samples, seed, optimizer="sgd", momentum=momentum),
        device=device,
        progress=progress,
    )
    coefficients = found.rows[0].double().numpy()
    if span == "linear":  # they need not sum to 1
        return linear(models, problem, coefficients.tolist(), progress=progress)
    return averaged(models, problem, coefficients / coefficients.sum(), progress=progress)


def basis(inner: Array, origin: Array) -> Array:
    """Orthonormal directions as coefficients of the models, (r, n), from their (n, n) Gram matrix.

    They span the models' differences from Σ originᵢ·Wᵢ, a mean of them, or the models themselves where the origin is zero.
    """
    away = np.eye(len(inner)) - origin  # row i: model i less the origin
    values, vectors = np.linalg.eigh(away @ inner @ away.T)
    kept = values > ROUNDING * np.trace(inner)
    return (vectors[:, kept] / np.sqrt(values[kept])).T @ away
