"""Mixing coefficients found by gradient descent: Σ cᵢ·Wᵢ, one cᵢ for each model, or for each model and layer.

The models stay as they are; what is learned are a few numbers. At every batch the network stands at Σ cᵢ·Wᵢ, and dL/dcᵢ is the inner product of the
gradient there with Wᵢ. Batch norms use the statistics of their batch meanwhile: those of a mixture are not known before it is made.

Wortsman et al. 2022, "Model soups", appendix (learned soup); Yang et al. 2024, "AdaMerging" (by layer).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from explorer.checkpoints.arithmetic import combined
from explorer.checkpoints.per_tensor import by_tensor
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.spec import SplitName
from explorer.evaluate.evaluator import network_like
from explorer.problems.problem import Problem
from explorer.training.curve_training import batch_statistics

Per: TypeAlias = Literal["model", "layer", "tensor"]

Objective: TypeAlias = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor]
"""(outputs of inputs at the present mixture, inputs, targets) → what is made small, a scalar that is differentiable in the mixture."""

Form: TypeAlias = Callable[[Tensor], Tensor]
"""The numbers that are learned, (groups, k) → the coefficients of the models, (groups, n)."""


@dataclass(frozen=True)
class Descent:
    """How coefficients are learned: AdamW without weight decay (Loshchilov & Hutter 2019), or SGD, the rate falling to 0 along half a cosine."""

    epochs: int
    lr: float
    batch: int
    samples: int  # 0: all of the split
    seed: int
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9  # of SGD


@dataclass(frozen=True)
class Coefficients:
    """rows: (groups, n). group: which row is for a parameter, by each name it has."""

    rows: Tensor
    group: Mapping[str, int]


def groups_of(network: nn.Module, per: Per) -> dict[str, int]:
    """The group of every parameter: all one, one for each module that has parameters of its own, or each its own. A tied parameter has one group."""
    keys: dict[str, int] = {}
    group: dict[int, int] = {}
    for name, parameter in network.named_parameters():
        key = {"model": "", "layer": name.rpartition(".")[0], "tensor": name}[per]
        group[id(parameter)] = keys.setdefault(key, len(keys))
    return {name: group[id(p)] for name, p in network.state_dict(keep_vars=True).items() if isinstance(p, nn.Parameter)}


def learned(
    models: Sequence[Weights],
    problem: Problem,
    objective: Objective,
    form: Form,
    start: Sequence[float],
    *,
    per: Per,
    split: SplitName,
    how: Descent,
    bounds: tuple[float, float] | None = None,
    scale: bool = False,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Coefficients:
    """The coefficients after the last epoch. `start`: (k,) where every group begins; `bounds`: what the learned numbers are held within.
    `scale`: multiply the outputs by a positive number that is learned as well, from 1 on, and thrown away in the end.

    Refused when the objective stops being finite.
    """
    network = batch_statistics(network_like(problem, models[0], torch.device(device)))
    network.load_state_dict({n: models[0][n] for n in network.state_dict()})
    group = groups_of(network, per)
    work = next(network.parameters()).dtype
    beside = {n: torch.stack([m[n].detach().to(device, work) for m in models]) for n, _ in network.named_parameters()}
    numbers = torch.tensor(start, dtype=torch.float64).repeat(max(group.values()) + 1, 1).to(device).requires_grad_()
    sharpness = torch.zeros((), dtype=torch.float64, device=device, requires_grad=True)  # log of what the outputs are multiplied by

    def point() -> dict[str, Tensor]:
        c = form(numbers).to(work)
        return {name: torch.tensordot(c[group[name]], stack, dims=1) for name, stack in beside.items()}

    def scaled(outputs: Callable[[Tensor], Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return objective(lambda x: outputs(x) * sharpness.exp().to(work), inputs, targets)

    def held() -> None:
        if bounds is not None:
            numbers.clamp_(*bounds)

    descend(
        network,
        problem,
        [numbers, sharpness] if scale else [numbers],
        point,
        scaled if scale else objective,
        split=split,
        how=how,
        held=held,
        device=device,
        progress=progress,
    )
    with torch.no_grad():
        return Coefficients(form(numbers).cpu(), group)


def descend(
    network: nn.Module,
    problem: Problem,
    leaves: Sequence[Tensor],
    point: Callable[[], Mapping[str, Tensor]],
    objective: Objective,
    *,
    split: SplitName,
    how: Descent,
    held: Callable[[], None],
    device: str,
    progress: Progress,
) -> None:
    """Go down the objective in the leaves; `point` makes the network's parameters of them, `held` keeps them where they may be, after each step.

    Refused when the objective stops being finite.
    """
    work = next(network.parameters()).dtype
    batch = problem.split(split)
    n = min(how.samples or len(batch.targets), len(batch.targets))
    inputs, targets = batch.inputs[:n].to(device), batch.targets[:n].to(device)
    inputs = inputs.to(work) if inputs.is_floating_point() else inputs
    if how.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(leaves, lr=how.lr, momentum=how.momentum)
    else:
        optimizer = torch.optim.AdamW(leaves, lr=how.lr, weight_decay=0.0)
    parts = ceil(n / how.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, how.epochs * parts))
    rng = np.random.default_rng(how.seed)
    step, steps = 0, how.epochs * parts
    for epoch in range(how.epochs):
        for rows in np.array_split(rng.permutation(n), parts):
            where = torch.from_numpy(rows).to(device)
            parameters = dict(point())

            def outputs(x: Tensor, parameters: dict[str, Tensor] = parameters) -> Tensor:
                return functional_call(network, parameters, (x,))

            value = objective(outputs, inputs[where], targets[where])
            if not torch.isfinite(value):
                raise Refused(f"The search for coefficients diverged in epoch {epoch + 1}. Use a smaller lr than {how.lr:g}.")
            for leaf, gradient in zip(leaves, torch.autograd.grad(value, leaves), strict=True):
                leaf.grad = gradient
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                held()
            step += 1
            progress(step, steps, f"epoch {epoch + 1} of {how.epochs}: {float(value.detach()):.4g}")


def softmax(numbers: Tensor) -> Tensor:
    """Coefficients that are positive and sum to 1."""
    return numbers.softmax(dim=-1)


def mixed(models: Sequence[Weights], problem: Problem, coefficients: Coefficients) -> Weights:
    """Σ cᵢ·Wᵢ, each parameter with its group's; what is no parameter of the network with their mean over groups."""
    mean = coefficients.rows.mean(dim=0).tolist()

    def kernel(name: str, tensors: Sequence[Tensor]) -> Tensor:
        row = coefficients.rows[coefficients.group[name]].tolist() if name in coefficients.group else mean
        return combined(tensors, row)

    return by_tensor(models, problem, kernel, buffers=mean)
