"""Along a path: what the mixtures of a few models answer, one after another, and the samples whose answers change most.

Each mixture is the model that is measured there, with its batch-norm statistics. Of classes: how many samples it gets wrong and, for at most so many classes
as keep the result small, its confusion matrix. The samples are those that at least one of the mixtures gets wrong and another right, the ones whose loss rises
furthest above what it is at the first and the last mixture first; without classes, those whose loss does.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.study._sample_image import image
from explorer.problems.problem import Problem
from explorer.problems.reduced import sample_losses

CELLS = 24_000  # of all confusion matrices together: what is told to a browser stays below 100 kB
SIDE = 32  # pixels of a picture
LETTERS = 80  # of a text


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    split: str = "test",
    samples: Annotated[int, Range(0, 2147483647)] = 0,
    buffers: Literal["recalibrate", "mix", "first", "repair"] = "recalibrate",
    mixtures: tuple[float, ...] = (),
    count: Annotated[int, Range(1, 24)] = 8,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """K mixtures, `mixtures` their coefficients row by row; without them, the models themselves. `samples`: the first so many of the split, 0 for all.

    {"classes": names or None, "of": n, "wrong": K or None, "confusion": K of C × C counts, rows true, or None, "samples": [{"index", "true", "image",
    "text", "said": K class numbers or None, "loss": K}]}; of a mixture whose outputs are not finite, None. Refused where the coefficients are no whole rows.
    """
    if not mixtures:
        rows = np.eye(len(models))
    elif len(mixtures) % len(models):
        raise Refused(f"Expected rows of {len(models)} coefficients, one for each model; got {len(mixtures)} numbers.")
    else:
        rows = np.array(mixtures, dtype=np.float64).reshape(-1, len(models))
    evaluate = Evaluate(problem, models, split=split, samples=samples, buffers=buffers, metrics=("loss",), prepare=False, device=device)
    targets = evaluate.targets.cpu()
    labelled = registry.labelled(problem.spec.loss) and targets.dim() == 1

    def answered(outputs: Tensor, targets: Tensor) -> Tensor:
        losses = sample_losses(problem, outputs, targets).double()
        said = outputs.argmax(dim=-1) if labelled else torch.zeros_like(losses)
        return torch.stack([losses, said], dim=1)

    found: list[Tensor] = []
    for i, row in enumerate(rows):
        progress(i, len(rows), f"evaluating mixture {i + 1} of {len(rows)}")
        found.append(evaluate.each(row, answered))
    losses, said = torch.stack(found).unbind(dim=2)  # (K, n) each
    said, finite = said.long(), losses.isfinite().all(dim=1)
    wrong = said != targets if labelled else None
    classes = len(problem.classes) if labelled else 0
    inputs = problem.split(split).inputs
    return {
        "classes": list(problem.classes) if labelled else None,
        "of": len(targets),
        "wrong": None if wrong is None else [int(w.sum()) if ok else None for w, ok in zip(wrong, finite, strict=True)],
        "confusion": [_confusion(targets, s, classes) if ok else None for s, ok in zip(said, finite, strict=True)]
        if 0 < len(rows) * classes**2 <= CELLS
        else None,
        "samples": [
            {
                "index": i,
                "true": int(targets[i]) if labelled else None,
                "image": _small(inputs[i]),
                "text": _text(inputs[i], problem.classes),
                "said": [int(s) if ok else None for s, ok in zip(said[:, i], finite, strict=True)] if labelled else None,
                "loss": [float(f"{v:.4g}") if isfinite(v) else None for v in losses[:, i].tolist()],
            }
            for i in _most_changed(losses, wrong, count)
        ],
    }


def _most_changed(losses: Tensor, wrong: Tensor | None, count: int) -> list[int]:
    """The samples by how far their loss rises above both ends', of classes those first that are right somewhere and wrong elsewhere."""
    known = losses.nan_to_num(0.0, 0.0, 0.0)
    rise = known.amax(dim=0) - torch.maximum(known[0], known[-1])
    if wrong is not None:
        changes = wrong.any(dim=0) & ~wrong.all(dim=0)
        order = torch.argsort(rise.masked_fill(~changes, -torch.inf), descending=True, stable=True)
        return [int(i) for i in order[: min(count, int(changes.sum()))]]
    order = torch.argsort(rise, descending=True, stable=True)
    return [int(i) for i in order[:count]]


def _confusion(targets: Tensor, said: Tensor, classes: int) -> Json:
    return torch.bincount(targets * classes + said, minlength=classes**2).reshape(classes, classes).tolist()


def _small(sample: Tensor) -> Json:
    """As a picture of at most SIDE pixels a side."""
    if sample.is_floating_point() and sample.dim() == 3 and max(sample.shape[1:]) > SIDE:
        times = -(-max(sample.shape[1:]) // SIDE)
        sample = functional.avg_pool2d(sample[None], times, ceil_mode=True)[0]
    return image(sample)


def _text(sample: Tensor, classes: tuple[str, ...]) -> str | None:
    """As a text, where it is made of characters that are the classes."""
    letters = not sample.is_floating_point() and sample.dim() == 1 and len(classes) > 1 and all(len(name) == 1 for name in classes)
    if not letters or int(sample.min()) < 0 or int(sample.max()) >= len(classes):
        return None
    return "".join(classes[int(token)] for token in sample[:LETTERS])
