"""Mistakes: the samples that a model gets wrong with the highest loss.

Classification only. Of the named split; samples with the same loss come in the split's order. What comes back is enough to show them: the true class, what the
model predicted and with what confidence, and the input where it is a small image (one or three channels, at most 64 × 64).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch

from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.methods.study._model_outputs import outputs
from explorer.methods.study._sample_image import image
from explorer.problems.problem import Problem


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    split: str = "test",
    count: Annotated[int, Range(1, 100)] = 12,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"wrong": how many, "of": samples, "examples": [{"index", "true", "said", "share", "image"}]} of the only model. Refused for several."""
    if len(models) != 1:
        raise Refused(f"Mistakes are shown for one model; got {len(models)}.")
    if not registry.labelled(problem.spec.loss) or (batch := problem.split(split)).targets.dim() != 1:
        raise Refused("Mistakes are shown for classification, one class for each sample. This problem has another kind of target.")
    progress(0, 1, "Finding mistakes")
    answers = outputs(problem, models[0], split, device=device)
    losses = problem.losses(answers, batch.targets)[:, 0]
    wrong = problem.wrong(answers, batch.targets)[:, 0]
    shares, said = answers.softmax(dim=-1), answers.argmax(dim=-1)
    order = torch.argsort(losses.masked_fill(~wrong, -torch.inf), descending=True, stable=True)
    worst = [int(i) for i in order[: min(count, int(wrong.sum()))]]
    examples: list[Json] = [
        {
            "index": i,
            "true": problem.classes[int(batch.targets[i])],
            "said": problem.classes[int(said[i])],
            "share": float(shares[i, said[i]]),
            "image": image(batch.inputs[i]),
        }
        for i in worst
    ]
    return {"wrong": int(wrong.sum()), "of": len(wrong), "examples": examples}
