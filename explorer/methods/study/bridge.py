"""Bridge: can the predictions of the midpoint model of a path be obtained without that model?

Trains the head of explorer.methods.study._bridge_network on the first model's features to answer as the second model does (the middle of a curve that begins in the first),
and judges it on the test split. Classification only, and the network has to end in a linear layer. What comes back are losses and errors of four
answers, differences paired sample by sample, and how far the head's answers are from those it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.methods.study._bridge_network import bridge, judge
from explorer.problems.problem import Problem
from explorer.stats.barriers import difference, highest  # of one point, the highest is that point
from explorer.stats.intervals import Estimate

METRICS = ("loss", "error")


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    hidden: Annotated[int, Range(0, 65536)] = 32,
    epochs: Annotated[int, Range(1, 10000)] = 60,
    lr: Annotated[float, Range(0, 10)] = 0.01,
    batch: Annotated[int, Range(1, 1048576)] = 128,
    mixup: Annotated[float, Range(0, 100)] = 0.4,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"answers": {who: {metric: interval, "metric − alone": interval}}, "divergence": {who: interval}, "cost"} of the model and its target.

    An interval is [value, low, high], 95 %. Refused unless there are two models.
    """
    if len(models) != 2:
        raise Refused(f"A bridge leads from one model to another; got {len(models)} models.")
    a, target = models
    made = bridge(problem, a, target, hidden=hidden, epochs=epochs, lr=lr, batch=batch, mixup=mixup, seed=seed, device=device, progress=progress)
    found = judge(problem, made, a, target, device=device)
    answers: dict[str, Json] = {}
    for who, points in (("alone", found.alone), ("target", found.target), ("ensemble", found.ensemble), ("bridged", found.bridged)):
        row: dict[str, Json] = {}
        for i, metric in enumerate(METRICS):
            row[metric] = _plain(highest(points, i))
            if points is not found.alone:
                row[f"{metric} − alone"] = _plain(difference(points, found.alone, i))
        answers[who] = row
    divergence: dict[str, Json] = {
        who: _plain(highest(points)) for who, points in (("bridge", found.divergence), ("copied", found.copied), ("tempered", found.tempered))
    }
    return {"answers": answers, "divergence": divergence, "cost": found.cost}


def _plain(estimate: Estimate) -> Json:
    return [estimate.value, estimate.low, estimate.high]
