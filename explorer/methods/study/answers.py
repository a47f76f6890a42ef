"""Answers: on how many samples models disagree, and which classes each gets right.

Classification only; of texts and of images by their pixels each place is a sample. Two models disagree on a sample when their largest outputs are of different classes, whoever is right. Models that disagree much and
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
from explorer.methods.study._model_outputs import each
from explorer.problems.problem import Problem


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    split: Literal["train", "val", "test"] = "val",
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"disagree": n rows of n shares of samples, "by_class": n rows, the share of each class that is right (None for a class without samples);
    none of it where a sample has many places: classes are many there}."""
    if not registry.labelled(problem.spec.loss):
        raise Refused(f"Predictions are compared for classification. With {problem.spec.loss} there is no true class for each answer.")
    batch = problem.split(split)
    said: list[torch.Tensor] = []
    for i, model in enumerate(models):
        progress(i, len(models), f"evaluating model {i + 1} of {len(models)}")
        said.append(each(problem, model, split, lambda outputs, _targets: outputs.argmax(dim=-1), device=device))
    answers = torch.stack(said)
    disagree = torch.stack([(answers != row).double().flatten(1).mean(dim=1) for row in answers])
    by_class: list[Json] = []
    for row in answers == batch.targets if batch.targets.dim() == 1 else ():
        of = [row[batch.targets == c] for c in range(len(problem.classes))]
        by_class.append([float(hits.double().mean()) if len(hits) else None for hits in of])
    return {"disagree": disagree.tolist(), "by_class": by_class}
