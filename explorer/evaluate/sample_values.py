"""What every sample adds to each metric, from a network's outputs: plain arithmetic on tensors, which a compiler can put behind the network's last layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.core import registry
from explorer.evaluate.own_metrics import of_each
from explorer.evaluate.proper_scores import scores
from explorer.evaluate.steady_answers import unanswered
from explorer.problems.problem import Problem
from explorer.stats.metrics import is_own

PART = 2**26  # bytes of outputs, in float32, whose losses are worked out at once
TRACEABLE = frozenset({"loss", "error"})  # metrics that are nothing but operations on tensors


@dataclass(frozen=True, eq=False)
class SampleValues:
    """`items`: how many numbers the loss has for each sample; `scale`: of the loss (explorer.problems.reduced); `work`: the type of the sums."""

    problem: Problem
    metrics: tuple[str, ...]
    items: int
    scale: float
    work: torch.dtype

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(metrics, n) of each sample, summed over its items; of a few samples at a time, since each loss makes copies of the outputs in float32."""
        part = max(1, PART // (4 * max(1, outputs[:1].numel())))
        if len(outputs) <= part:
            return self.at_once(outputs, targets)
        return torch.cat([self.at_once(o, t) for o, t in zip(outputs.split(part), targets.split(part), strict=True)], dim=1)

    def at_once(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(metrics, n) of all of these samples."""
        found: list[Tensor] = []
        lost = unanswered(outputs) if self.metrics != ("loss",) else None
        for metric in self.metrics:
            if metric == "loss":
                items = self.problem.losses(outputs, targets).to(self.work)
                items = items if self.scale == 1.0 else items * self.scale
            else:
                if is_own(metric):
                    items = of_each(metric, outputs, targets, self.items)
                elif metric == "error":
                    items = self.problem.wrong(outputs, targets)
                else:
                    items = scores(metric, outputs, targets, masked=registry.targets_of(self.problem.spec.loss) == "masked")
                items = items.to(self.work)
                items = items if lost is None else items.masked_fill(lost[:, None], torch.nan)
            found.append(items.sum(dim=1))
        return torch.stack(found)
