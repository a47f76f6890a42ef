"""Gradient descent on shuffled batches, a step at a time: what every training here does, whatever it does between the steps.

One network is one `Learner`: its weights, its optimizer, its own order of the batches and its own noise. A training that has several of them in step
with one another, or that changes weights between steps, takes their steps alternately.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from math import ceil, cos, pi
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.problems.problem import Problem
from explorer.problems.reduced import mean_loss
from explorer.training.options import TrainingOptions

Rate: TypeAlias = Callable[[int, int], float]
"""(step from 0 on, steps in an epoch) → what the learning rate is multiplied with at that step."""

Gradient: TypeAlias = "Callable[[Learner, Callable[[], Tensor]], Tensor]"
"""(learner, `batch`) → the loss of the batch. `batch()` puts the loss's gradient at the present weights into the parameters' `grad`, and returns the loss; the step is
taken with the gradient that is there in the end. Weights that it changes on the way it puts back."""


def plain(learner: Learner, batch: Callable[[], Tensor]) -> Tensor:
    """The gradient where the weights are."""
    return batch()


class Learner:
    """A network in training. `parameters`: its own tensors by name, which may be written to between two steps. `parts`: steps in an epoch.

    `start`: weights to begin from instead of initial ones drawn from the seed; not written to. The other words are those of `explorer.methods.train.sgd`. `targets`: what is learned instead of the train split's
    own. `only`: the parameters that are trained, all when empty; with some of them fixed, the network answers as when it is used (no dropout, fixed
    batch-norm statistics). `gradient`: where a step's gradient is taken.
    """

    def __init__(
        self,
        problem: Problem,
        start: Mapping[str, Tensor] | None,
        how: TrainingOptions,
        rate: Rate,
        *,
        order_seed: int,
        noise: float = 0.0,
        shift: bool = False,
        optimizer: Literal["sgd", "adamw"] = "sgd",
        label_noise: float = 0.0,
        targets: Tensor | None = None,
        only: Collection[str] = (),
        gradient: Gradient = plain,
        device: str = "cpu",
    ) -> None:
        split = problem.split("train")
        self.problem, self.how, self.rate = problem, how, rate
        self.noise, self.shift, self.gradient = noise, shift, gradient
        self.network = problem.network(seed=how.seed)
        if start is not None:
            self.network.load_state_dict(dict(start))
        self.network.to(device).train(not only)
        self.order = torch.Generator().manual_seed(order_seed)
        targets = split.targets if targets is None else targets
        self.inputs = split.inputs.to(device)
        self.targets = _noisy(targets, label_noise, len(problem.classes), self.order).to(device)
        self.parameters = dict(self.network.named_parameters())
        for name, parameter in self.parameters.items():
            parameter.requires_grad_(not only or name in only)
        self.stepper = _optimizer(self.network, how, optimizer)
        self.parts = ceil(len(targets) / how.batch)
        self.step = 0
        self.rows = torch.empty(0, dtype=torch.int64)  # of this epoch, in the order they are seen
        self.total = torch.zeros((), device=device)  # of this epoch's losses

    def steps(self) -> Iterator[int]:
        """Take one step after another; the number of those taken, from 1 on. Refused at the end of an epoch whose loss is not finite."""
        how = self.how
        batches = self.rows.tensor_split(self.parts)
        while self.step < how.epochs * self.parts:
            if self.step % self.parts == 0:
                self.rows, self.total = torch.randperm(len(self.targets), generator=self.order), torch.zeros_like(self.total)
                # Parts of nearly equal size: a rest of one sample would have no variance for batch norm.
                batches = self.rows.tensor_split(self.parts)
            rows = batches[self.step % self.parts]
            for group in self.stepper.param_groups:
                group["lr"] = how.lr * self.rate(self.step, self.parts)
            loss = self.gradient(self, partial(self._descend, _varied(self.inputs[rows], self.noise, self.shift, self.order), self.targets[rows]))
            self.stepper.step()
            self.total += loss
            self.step += 1
            if self.step % self.parts == 0 and not torch.isfinite(self.total):
                raise Refused(
                    f"Training diverged in epoch {self.step // self.parts}: its loss is no longer finite. "
                    f"Use a smaller lr than {how.lr:g}, or a warmup."
                )
            yield self.step

    def _descend(self, inputs: Tensor, targets: Tensor) -> Tensor:
        loss = mean_loss(self.problem, self.network(inputs), targets)
        self.stepper.zero_grad()
        loss.backward()
        return loss.detach()

    def weights(self) -> Weights:
        """Parameters and buffers as they stand, copied to the CPU."""
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.network.state_dict().items()}

    def standing(self) -> Weights:
        """Besides the number of steps taken, all that the next ones depend on, copied to the CPU."""
        optimizer = {f"optimizer.{i}.{key}": t for i, kept in self._kept().items() for key, t in kept.items() if isinstance(t, Tensor)}
        network = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        own = {"rows": self.rows, "total": self.total, "order": self.order.get_state()}
        return {name: t.detach().to("cpu", copy=True) for name, t in {**network, **optimizer, **own}.items()}

    def stand(self, step: int, standing: Mapping[str, Tensor]) -> None:
        """Go back to where `standing` was taken, after so many steps."""
        self.step = step
        self.rows, self.total = standing["rows"], standing["total"].to(self.total.device)
        self.order.set_state(standing["order"])
        self.network.load_state_dict({name.removeprefix("network."): t for name, t in standing.items() if name.startswith("network.")})
        kept: dict[int, dict[str, Tensor]] = {}
        for name, tensor in standing.items():
            if name.startswith("optimizer."):
                _, i, key = name.split(".")
                kept.setdefault(int(i), {})[key] = tensor
        self.stepper.load_state_dict({**self.stepper.state_dict(), "state": kept})

    def _kept(self) -> dict[int, dict[str, object]]:
        return self.stepper.state_dict()["state"]


def falling(step: int, steps: int) -> float:
    """Half a cosine from 1 to 0 over all the steps (Loshchilov & Hutter 2017)."""
    return (1 + cos(pi * step / steps)) / 2


def snapshot_steps(parts: int, per_epoch: int) -> list[int]:
    """After which steps of an epoch its snapshots are taken, evenly spaced; the last is the epoch's last. Refused when there are too few steps."""
    if per_epoch > parts:
        raise Refused(f"An epoch has {parts} steps here, so it cannot have {per_epoch} snapshots. Ask for fewer per epoch, or for smaller batches.")
    return [round((i + 1) * parts / per_epoch) for i in range(per_epoch)]


def _optimizer(network: nn.Module, how: TrainingOptions, name: Literal["sgd", "adamw"]) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=how.lr, momentum=how.momentum, weight_decay=how.weight_decay)
    return torch.optim.AdamW(network.parameters(), lr=how.lr, betas=(how.momentum, 0.999), weight_decay=how.weight_decay)


def _noisy(targets: Tensor, share: float, classes: int, generator: torch.Generator) -> Tensor:
    if share == 0 or targets.is_floating_point():
        return targets
    chosen = (torch.rand(targets.shape, generator=generator) < share) & (targets >= 0)  # −1: nothing is asked there
    return torch.where(chosen, torch.randint(classes, targets.shape, generator=generator), targets)


def _varied(inputs: Tensor, noise: float, shift: bool, generator: torch.Generator) -> Tensor:
    if not inputs.is_floating_point():
        return inputs
    if shift and inputs.dim() == 4:
        down, right = (int(i) for i in torch.randint(3, (2,), generator=generator))
        height, width = inputs.shape[2:]
        inputs = functional.pad(inputs, (1, 1, 1, 1))[:, :, down : down + height, right : right + width]
    if noise:
        inputs = inputs + noise * torch.randn(inputs.shape, generator=generator).to(inputs.device)
    return inputs
