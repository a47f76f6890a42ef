"""The loss of the network on the way from one model to another: differentiable on batches to learn from, and measured on samples held out of them.

Both come from the train split: its first samples are held to choose by, batches are drawn from the rest. On batches, batch norm uses the statistics
of the batch: those are the mixture's own, as recalibration would find them, while mixed running statistics belong to no network at all, and
their variances would shrink with the weights they are mixed with. Everything else stays in eval mode. Held samples are measured as
everywhere in the explorer, with recalibrated statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)

from explorer.checkpoints.weights import Weights
from explorer.evaluate.evaluator import Evaluate, inputs_for, network_like
from explorer.problems.problem import Problem
from explorer.problems.reduced import mean_loss

HELD = 512  # samples to choose by, at most half of the train split


class Between:
    """Losses on the line from a reference model to others of its shapes."""

    def __init__(self, problem: Problem, reference: Weights, *, device: str = "cpu") -> None:
        self.problem, self.weights, self.device = problem, reference, device
        self.network = network_like(problem, reference, torch.device(device))
        norms = [m for m in self.network.modules() if isinstance(m, _BatchNorm)]
        for m in norms:
            m.train()
        statistics = {id(b) for m in norms for b in m.buffers()}
        named = [*self.network.named_parameters(), *((n, b) for n, b in self.network.named_buffers() if id(b) not in statistics)]
        work = next(self.network.parameters()).dtype
        self.reference = {n: reference[n].detach().to(device, work) for n, t in named if n in reference and t.is_floating_point()}
        """What is mixed: parameters, a tied one once, and buffers that are no running statistics."""
        train = problem.split("train")
        self.held_samples = min(HELD, len(train.targets) // 2)
        self.inputs = inputs_for(self.network, train.inputs[self.held_samples :], torch.device(device))
        self.targets = train.targets[self.held_samples :].to(device)

    def batch(self, size: int, rng: np.random.Generator) -> Tensor:
        """Rows of a random batch, without repetition."""
        return torch.from_numpy(rng.choice(len(self.targets), min(size, len(self.targets)), replace=False)).to(self.device)

    def loss(self, model: Mapping[str, Tensor], rows: Tensor, t: float = 0.5) -> Tensor:
        """Mean loss of (1 − t)·reference + t·model on a batch, differentiable in the model. Tensors that the model lacks are the reference's."""
        mixed = {n: torch.lerp(a, model[n].to(a), t) if n in model else a for n, a in self.reference.items()}
        outputs = functional_call(self.network, mixed, (self.inputs[rows],))
        return mean_loss(self.problem, outputs, self.targets[rows])

    def held(self, model: Weights, at: Sequence[float] = (0.5,)) -> float:
        """The highest mean loss at these points of the line, the midpoint unless said, on the held samples; infinite where one is no number."""
        evaluate = Evaluate(
            self.problem, [self.weights, model], split="train", samples=self.held_samples, metrics=("loss",), prepare=False, device=self.device
        )
        loss = max(float(evaluate(np.array([1 - t, t]))[0].sum() / evaluate.counts.sum()) for t in at)
        return loss if np.isfinite(loss) else float("inf")
