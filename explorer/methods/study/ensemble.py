"""Ensemble: the joint prediction of all models, the reference for every fused model.

The mean of the models' probabilities (Lakshminarayanan et al. 2017), or of their logits, on the first samples of a split; each model as it is. Sums
of loss and error come in the blocks in which every other point of the problem is measured, so that differences can be paired sample by sample. As
many passes as there are models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.methods.study._output_ensemble import METRICS, ensemble
from explorer.problems.problem import Problem


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    of: Literal["probabilities", "logits"] = "probabilities",
    split: Literal["train", "val", "test"] = "test",
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    blocks: Annotated[int, Range(1, 65536)] = 256,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"metrics": names, "counts": (blocks,), "ensemble": (metrics, blocks) sums, "models": (models, metrics, blocks) sums}."""
    found = ensemble(problem, models, of=of, split=split, samples=samples, blocks=blocks, device=device, progress=progress)
    return {
        "metrics": list(METRICS),
        "counts": found.ensemble.counts.tolist(),
        "ensemble": found.ensemble.values[0].tolist(),
        "models": found.alone.values.tolist(),
    }
