"""RAM: what one model alone has changed in full, what several have changed averaged among them. The first model is the base.

"Reinforced Agent Merging" 2026 (arXiv 2601.13572), as mergekit computes it. Reinforcement learning changes few weights; an average over all models would dilute
what only one has learned. With τᵢ = Wᵢ − W₀, an entry counts as changed where |τᵢ| > `changed`, and there

    W = W₀ + Σ τᵢ / (number of models that changed it)        and W₀ where none did

RAM+ enlarges what a model alone has changed by λᵢ = 1 + `boost` · min(ρᵢ, `most`) where ρᵢ is the number of entries that it shares with others over that of
its own, of each tensor; the paper takes 0.1 and 0.2. A boost of 0 is RAM.

`changed` is in units of the weights. Trained without sparsity nearly all entries differ, and the result is the mean of the models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import vectors
from explorer.checkpoints.passes import Kernel, Passes
from explorer.checkpoints.per_tensor import by_block, of_number
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    changed: Annotated[float, Range(0, 1e6)] = 1e-5,
    boost: Annotated[float, Range(0, 100)] = 0.0,
    most: Annotated[float, Range(0, 1e6)] = 0.2,
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes."""
    of_number(models, MODELS, "ram", WANTED)
    count = len(models) - 1
    return by_block(models, problem, reinforced(changed, boost, most), buffers=(0.0, *[1 / count] * count), progress=progress)


def reinforced(changed: float, boost: float, most: float) -> Kernel:
    """The kernel: what is whose from a first pass, where it matters, and the sum from a second."""

    def kernel(passes: Passes) -> Iterator[Tensor]:
        scales: list[float] = []
        if boost:
            shared, alone = 0, 0
            for tensors in passes():
                masks, counts = _changed(tensors, changed)
                shared = shared + (masks & (counts > 1)).flatten(1).sum(dim=1)
                alone = alone + (masks & (counts == 1)).flatten(1).sum(dim=1)
            assert isinstance(shared, Tensor) and isinstance(alone, Tensor)
            scales = [1 + boost * min(float(s) / max(float(a), changed), most) if s else 1.0 for s, a in zip(shared, alone, strict=True)]
        for tensors in passes():
            masks, counts = _changed(tensors, changed)
            total = torch.zeros_like(tensors[0])
            for i, vector in enumerate(vectors(tensors)):
                vector.mul_(masks[i]).div_(counts.clamp(min=1))
                total.add_(torch.where(counts == 1, vector * scales[i], vector) if scales else vector)
            yield total.add_(tensors[0])

    return kernel


def _changed(tensors: Sequence[Tensor], least: float) -> tuple[Tensor, Tensor]:
    """(N, …) where each model changed the base, and by how many models each entry was."""
    masks = torch.stack([vector.abs() > least for vector in vectors(tensors)])
    return masks, masks.sum(dim=0)
