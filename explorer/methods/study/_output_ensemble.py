"""Ensemble of outputs: what all models say together, the reference that a fused model is held against.

Lakshminarayanan, Pritzel & Blundell 2017, "Simple and Scalable Predictive Uncertainty Estimation Using Deep Ensembles": the mean of the
models' probabilities. Or the mean of their logits, which is the probabilities' geometric mean, normalised; for linear models that is what the
average of their weights says. By Jensen's inequality the loss of mean probabilities, and that of mean logits, is at most the mean of the models'
losses.

It costs as many passes as there are models, where a fused model costs one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from explorer.core import registry
from explorer.core.points import Array, Points
from explorer.core.progress import Progress, quiet
from explorer.core.spec import SplitName
from explorer.evaluate.evaluator import CHUNK, network_like
from explorer.problems.problem import Problem
from explorer.problems.reduced import counted

Of: TypeAlias = Literal["probabilities", "logits"]

METRICS = ("loss", "error")


@dataclass(frozen=True)
class EnsembleMeasurement:
    """Loss and error in the blocks that `measure.Evaluate` cuts, so that `statistics.difference` of any two is paired.

    ensemble: one point. alone: a point for each model; their coordinates are unit vectors.
    """

    ensemble: Points
    alone: Points


@torch.inference_mode()
def ensemble(
    problem: Problem,
    models: Sequence[Mapping[str, Tensor]],
    *,
    of: Of = "probabilities",
    split: SplitName = "test",
    samples: int = 0,
    blocks: int = 256,
    device: str = "cpu",
    progress: Progress = quiet,
) -> EnsembleMeasurement:
    """The models as they are, each with its own batch-norm statistics; samples: the first of the split, 0 for all.

    Under mse the outputs are averaged.
    """
    problem.gives_outputs()
    network = network_like(problem, models[0], torch.device(device))
    work = next(network.parameters()).dtype
    names = network.state_dict().keys()
    states = [{n: m[n].to(device, work) if m[n].is_floating_point() else m[n].to(device) for n in names} for m in models]
    batch = problem.split(split)
    n = min(samples or len(batch.targets), len(batch.targets))
    blocks = min(blocks, n)
    block = torch.arange(n) % blocks
    sums = torch.zeros(len(models) + 1, len(METRICS), blocks, dtype=torch.float64)
    items = 1
    for start in range(0, n, CHUNK):
        progress(start, n, f"evaluating all models: sample {start} of {n}")
        rows = slice(start, min(start + CHUNK, n))
        inputs, targets = batch.inputs[rows].to(device), batch.targets[rows].to(device)
        inputs = inputs.to(work) if inputs.is_floating_point() else inputs
        answers = [functional_call(network, state, (inputs,)) for state in states]
        for row, answer in enumerate([together(answers, of if registry.classifies(problem.spec.loss) else "logits"), *answers]):
            losses = problem.losses(answer, targets).cpu().double()
            wrong = problem.wrong(answer, targets).cpu().double()
            wrong[~torch.isfinite(answer).flatten(1).all(dim=1).cpu()] = torch.nan  # as in Evaluate: no answer is neither right nor wrong
            sums[row, 0].index_add_(0, block[rows], losses.sum(dim=1))
            sums[row, 1].index_add_(0, block[rows], wrong.sum(dim=1))
            items = losses.shape[1]
    progress(n, n, "evaluating all models")
    each, scale = counted(problem, batch.targets[:n], items)
    sums[:, 0] *= scale
    counts: Array = torch.bincount(block, each.double()).numpy()
    coords = np.eye(len(models))
    equal = np.full((1, len(models)), 1 / len(models))
    return EnsembleMeasurement(Points(equal, sums[:1].numpy(), counts), Points(coords, sums[1:].numpy(), counts))


def together(outputs: Sequence[Tensor], of: Of) -> Tensor:
    """What the models say together, as outputs again: the mean of the logits, or the logarithm of the mean of the probabilities. (n, …, c)."""
    stacked = torch.stack([o if o.dtype == torch.float64 else o.float() for o in outputs])
    if of == "logits":
        return stacked.mean(dim=0)
    return stacked.log_softmax(dim=-1).logsumexp(dim=0) - log(len(outputs))
