"""SWAG's Bayesian average: the mean prediction of models drawn from the Gaussian of a training's snapshots, beside their mean and the last of them.

Maddox, Garipov, Izmailov, Vetrov & Wilson 2019, "A Simple Baseline for Bayesian Uncertainty in Deep Learning" (NeurIPS): the mean of the
probabilities of `draws` models θ_s ~ N(θ̄, Σ), each with its batch-norm statistics re-estimated. The models are the snapshots in the order of the training.
Sums of loss and error come in the blocks in which every other point of the problem is measured, so that differences can be paired sample by sample; so
do the parts of the calibration error (explorer.stats.calibration). As many passes as there are draws. Under mse the outputs are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.evaluate.evaluator import CHUNK, inputs_for, network_like
from explorer.evaluate.mixture import with_own_statistics
from explorer.problems.problem import Problem
from explorer.problems.reduced import counted
from explorer.stats import calibration
from explorer.training.swag_posterior import Gaussian


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    draws: Annotated[int, Range(1, 10000)] = 30,
    rank: Annotated[int, Range(0, 10000)] = 20,
    scale: Annotated[float, Range(0, 1000)] = 0.5,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    split: Literal["train", "val", "test"] = "test",
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    blocks: Annotated[int, Range(1, 65536)] = 256,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"metrics", "counts": (blocks,), "names": ["average", "mean", "last"], "values": (3, metrics, blocks) sums, "gaps": (3, bins, blocks) or None}.

    `gaps` is None unless the targets are classes. Sums that are no finite numbers come as None.
    """
    problem.gives_outputs()
    gaussian = Gaussian(models, problem, rank=rank, scale=scale)
    batch = problem.split(split)
    n = min(samples or len(batch.targets), len(batch.targets))
    targets, block = batch.targets[:n], torch.arange(n) % min(blocks, n)
    network = network_like(problem, models[0], torch.device(device))
    inputs = inputs_for(network, batch.inputs[:n], torch.device(device))

    def answers(weights: Weights) -> Tensor:
        network.load_state_dict({k: weights[k] for k in network.state_dict()})
        with torch.inference_mode():
            return torch.cat([network(part).cpu().double() for part in inputs.split(CHUNK)])

    regression = not registry.classifies(problem.spec.loss)
    total: Tensor | None = None
    for k in range(draws):
        progress(k, draws, f"evaluating draw {k + 1} of {draws}")
        answer = answers(with_own_statistics(gaussian.sample(seed, k + 1), problem))
        said = answer if regression else answer.softmax(dim=-1)
        total = said if total is None else total + said
    assert total is not None
    average = total / draws if regression else (total / draws).log()
    all_of = [average, answers(with_own_statistics(gaussian.mean, problem)), answers(models[-1])]
    progress(draws, draws, "evaluating all draws")
    losses = [problem.losses(a, targets) for a in all_of]
    wrong = [problem.wrong(a, targets).double() for a in all_of]
    items = losses[0].shape[1]
    each, scale = counted(problem, targets, items)
    count = torch.bincount(block, each.double())
    values = [[_by_block(part.sum(dim=1), block, len(count)) for part in pair] for pair in zip([scale * part for part in losses], wrong, strict=True)]
    classes = not regression and targets.dim() == 1
    return {
        "metrics": ["loss", "error"],
        "counts": count.tolist(),
        "names": ["average", "mean", "last"],
        "values": [[_plain(row) for row in pair] for pair in values],
        "gaps": [[_plain(row) for row in _gaps(a.softmax(dim=-1), targets, block, len(count))] for a in all_of] if classes else None,
    }


def _gaps(probabilities: Tensor, targets: Tensor, block: Tensor, blocks: int) -> Tensor:
    """(bins, blocks) what the calibration error is made of. probabilities: (n, classes)."""
    confidence, said = probabilities.max(dim=-1)
    return torch.from_numpy(calibration.gaps(confidence.numpy(), (said == targets).numpy(), block.numpy(), blocks))


def _by_block(values: Tensor, block: Tensor, blocks: int) -> Tensor:
    return torch.zeros(blocks, dtype=torch.float64).index_add_(0, block, values.double())


def _plain(row: Tensor) -> list[Json]:
    return [float(v) if torch.isfinite(v) else None for v in row]
