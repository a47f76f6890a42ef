"""Mistakes: the samples that a model gets wrong with the highest loss.

Classification only; of texts and of images by their pixels each place is a sample. Of the named split; samples with the same loss come in the split's order. What comes back is enough to show them: the true class, what the
model predicted and with what confidence, and the input where it is a small image (one or three channels, at most 64 × 64).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.methods.study._model_outputs import each
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
    """{"wrong": how many, "of": samples, "examples": [{"index", "true", "said", "share", "image"}]} of the only model; where a sample has many places, each is one,
    and "place" says which. Refused for several models."""
    if len(models) != 1:
        raise Refused(f"Mistakes are shown for one model; got {len(models)}.")
    if not registry.labelled(problem.spec.loss):
        raise Refused(f"Mistakes are shown for classification. With {problem.spec.loss} there is no true class for each answer.")
    progress(0, 1, "Finding mistakes")
    batch = problem.split(split)

    def judged(outputs: Tensor, targets: Tensor) -> Tensor:
        """(n, places, 4) loss, whether it is wrong, what was said, and with what share."""
        share, said = outputs.reshape(len(outputs), -1, outputs.shape[-1]).softmax(dim=-1).max(dim=-1)
        return torch.stack(
            [problem.losses(outputs, targets).double(), problem.wrong(outputs, targets).double(), said.double(), share.double()], dim=-1
        )

    found = each(problem, models[0], split, judged, device=device)
    targets, places = batch.targets.flatten(), found.shape[1]
    losses, wrong, said, shares = found.flatten(0, 1).unbind(dim=-1)
    order = torch.argsort(losses.masked_fill(wrong == 0, -torch.inf), descending=True, stable=True)
    examples: list[Json] = [
        {
            "index": i // places,
            **({"place": i % places} if places > 1 else {}),
            "true": problem.classes[int(targets[i])],
            "said": problem.classes[int(said[i])],
            "share": float(shares[i]),
            "image": image(batch.inputs[i // places]) if places == 1 else None,
        }
        for i in map(int, order[: min(count, int(wrong.sum()))])
    ]
    return {"wrong": int(wrong.sum()), "of": len(wrong), "examples": examples}
