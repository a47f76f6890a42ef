"""Answers: on how many samples models disagree, and which classes each gets right.

Classification only. Two models disagree on a sample when their largest outputs are of different classes, whoever is right. Models that disagree much and
are equally good have more to give each other (Fort, Hu & Lakshminarayanan 2019, "Deep Ensembles: A Loss Landscape Perspective").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Json
from explorer.methods.study._model_outputs import outputs
from explorer.problems.problem import Problem


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    split: Literal["train", "val", "test"] = "val",
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"disagree": n rows of n shares of samples, "by_class": n rows, the share of each class that is right (None for a class without samples)}."""
    batch = problem.split(split)
    if not registry.labelled(problem.spec.loss) or batch.targets.dim() != 1:
        raise Refused("Predictions are compared for classification, one class for each sample. This problem has another kind of target.")
    said: list[torch.Tensor] = []
    for i, model in enumerate(models):
        progress(i, len(models), f"evaluating model {i + 1} of {len(models)}")
        said.append(outputs(problem, model, split, device=device).argmax(dim=-1))
    answers = torch.stack(said)
    disagree = (answers[:, None] != answers[None]).double().mean(dim=2)
    by_class: list[Json] = []
    for row in answers == batch.targets:
        of = [row[batch.targets == c] for c in range(len(problem.classes))]
        by_class.append([float(hits.double().mean()) if len(hits) else None for hits in of])
    return {"disagree": disagree.tolist(), "by_class": by_class}
