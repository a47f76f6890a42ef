"""Calibration: whether models are right as often as their confidence says.

Expected calibration error and reliability by bins of confidence (explorer.stats.calibration; Guo et al. 2017), of every model on the same samples, and of
what the first `ensemble` of them say together. Problems with classes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np

from explorer.checkpoints.weights import Weights
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.methods.study._model_outputs import asked, blocks_of
from explorer.problems.problem import Problem
from explorer.stats.calibration import reliability


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    split: Literal["train", "val", "test"] = "test",
    ensemble: Annotated[int, Range(0, 100000)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"models": [{"count", "confidence", "accuracy", "low", "high": a number for each bin, "ece": [value, low, high], "chance": [mean, 95 %], "over"}]}.

    A model whose answers are not all finite has None in its place.
    """
    targets = problem.split(split).targets
    block, flat = blocks_of(targets).numpy(), targets.reshape(-1)
    found: list[Json] = []
    for answers in asked(problem, models, split, ensemble=ensemble, device=device, progress=progress):
        confidence, said = answers.double().flatten(0, -2).softmax(dim=-1).max(dim=-1)
        if not confidence.isfinite().all():
            found.append(None)
            continue
        seen = reliability(confidence.numpy(), (said == flat).numpy(), block)
        bins: dict[str, Json] = {k: _plain(getattr(seen, k)) for k in ("count", "confidence", "accuracy", "low", "high")}
        found.append({**bins, "ece": [seen.ece.value, seen.ece.low, seen.ece.high], "chance": list(seen.chance), "over": seen.over})
    return {"models": found}


def _plain(values: Array) -> list[Json]:
    return [float(v) if np.isfinite(v) else None for v in values]
