"""Classes: each model's accuracy by class, and where models differ.

The share of the samples of a class that is right (its recall), with the interval of its difference from the model `against`, paired sample by sample.
Problems with classes only. There are as many intervals as classes and models: of twenty classes without a difference, one will seem to have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.methods.study._model_outputs import asked, blocks_of
from explorer.problems.problem import Problem
from explorer.stats.intervals import mean

MOST = 1000


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    split: Literal["train", "val", "test"] = "test",
    against: Annotated[int, Range(0, 100000)] = 0,
    ensemble: Annotated[int, Range(0, 100000)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"classes": names, "samples": of each class, "right": shares, "minus": [value, low, high]}, the last two one row for each model, None where unknown.

    `ensemble`: the first so many together are the last row.
    """
    if not 0 <= against < len(models):
        raise Refused(f"There are {len(models)} models to compare with; got index {against}, counted from 0.")
    if (n := len(problem.classes)) > MOST:
        raise Refused(f"{n} classes are too many to compare one by one; at most {MOST}.")
    problem.gives_outputs()
    targets = problem.split(split).targets
    block, flat = blocks_of(targets), targets.reshape(-1)
    cell = block * n + flat
    shape = (int(block.max()) + 1, n)
    counts = torch.bincount(cell, minlength=shape[0] * n).double().reshape(shape).numpy()
    right: list[Array] = []
    for answers in asked(problem, models, split, ensemble=ensemble, device=device, progress=progress):
        said = answers.flatten(0, -2).argmax(dim=-1)
        hits = torch.bincount(cell, weights=(said == flat).double(), minlength=shape[0] * n).reshape(shape).numpy()
        right.append(hits if answers.isfinite().all() else np.full(shape, np.nan))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = [hits.sum(axis=0) / counts.sum(axis=0) for hits in right]
    return {
        "classes": list(problem.classes),
        "samples": counts.sum(axis=0).tolist(),
        "right": [[_plain(v) for v in row] for row in shares],
        "minus": [[_minus(hits[:, c], right[against][:, c], counts[:, c], i == against) for c in range(n)] for i, hits in enumerate(right)],
    }


def _minus(hits: Array, others: Array, counts: Array, same: bool) -> Json:
    """The share of a class that one model gets right less that of another, with its paired interval; a model is as good as itself without doubt."""
    seen = counts > 0
    if not seen.any() or not np.isfinite([hits, others]).all():
        return [None, None, None]
    found = mean((hits - others)[seen], counts[seen], counted=True)
    return [0.0, 0.0, 0.0] if same else [_plain(v) for v in (found.value, found.low, found.high)]


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
