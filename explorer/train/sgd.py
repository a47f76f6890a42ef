"""Gradient descent on shuffled batches: SGD with momentum, or AdamW.

Sutskever et al. 2013 (momentum); Loshchilov & Hutter 2017 (cosine rate), 2019 (decoupled decay). Trains on the problem's
train split and yields the weights after each epoch, parameters and buffers. On a CPU the result depends on the arguments
alone (and on the number of threads, which decides how sums are split): two runs give equal bits. The global random state
is left as it was.

`seed` draws the initial weights, `order_seed` the order of the batches, the noise and the shifts: two children of one
start that differ in nothing but `order_seed` tell whether the start had already settled their basin (Frankle et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, cos, pi
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.errors import Refused
from explorer.methods import Range
from explorer.problem import Problem
from explorer.weights import Weights


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    epochs: Annotated[int, Range(1, 10000)] = 20,
    lr: Annotated[float, Range(0, 100)] = 0.1,
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9,
    weight_decay: Annotated[float, Range(0, 100)] = 0.0,
    batch: Annotated[int, Range(1, 1048576)] = 64,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    order_seed: Annotated[int, Range(0, 2147483647)] = 0,
    optimizer: Literal["sgd", "adamw"] = "sgd",
    schedule: Literal["cosine", "constant"] = "cosine",
    warmup: Annotated[int, Range(0, 1000000)] = 0,
    label_noise: Annotated[float, Range(0, 1)] = 0.0,
    noise: Annotated[float, Range(0, 1000)] = 0.0,
    shift: bool = False,
    device: str = "cpu",
) -> Iterator[Weights]:
    """Snapshots on the CPU, one after each epoch.

    `start`: weights to begin from instead of initial ones; it is not written to. `momentum` is β₁ for AdamW. `cosine` lets
    the rate fall from `lr` to 0 over all epochs, after `warmup` steps in which it rises. `label_noise`: the share of train
    samples whose target is replaced by a random class, drawn once. `noise`: standard deviation of Gaussian noise on the
    inputs; `shift`: images (n, c, h, w) are moved by up to one pixel, a batch at a time; both do nothing to tokens. Raises Refused when the loss stops being finite.
    """
    split = problem.split("train")
    network = problem.network(seed=seed)
    if start is not None:
        network.load_state_dict(dict(start))
    network.to(device).train()
    order = torch.Generator().manual_seed(order_seed)
    inputs, targets = split.inputs.to(device), _noisy(split.targets, label_noise, len(problem.classes), order).to(device)
    stepper = _optimizer(network, optimizer, lr, momentum, weight_decay)
    parts = ceil(len(targets) / batch)
    steps, step = epochs * parts, 0
    for epoch in range(epochs):
        total = torch.zeros((), device=device)
        # Parts of nearly equal size: a rest of one sample would have no variance for batch norm.
        for rows in torch.randperm(len(targets), generator=order).tensor_split(parts):
            for group in stepper.param_groups:
                group["lr"] = lr * _rate(step, steps, warmup, schedule)
            loss = problem.losses(network(_varied(inputs[rows], noise, shift, order)), targets[rows]).mean()
            stepper.zero_grad()
            loss.backward()
            stepper.step()
            total += loss.detach()
            step += 1
        if not torch.isfinite(total):
            raise Refused(f"Training diverged in epoch {epoch + 1}: its loss is no longer finite. Use a smaller lr than {lr:g}, or a warmup.")
        yield {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}


def _optimizer(network: nn.Module, name: Literal["sgd", "adamw"], lr: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    return torch.optim.AdamW(network.parameters(), lr=lr, betas=(momentum, 0.999), weight_decay=weight_decay)


def _rate(step: int, steps: int, warmup: int, schedule: Literal["cosine", "constant"]) -> float:
    """What the learning rate is multiplied with at a step."""
    rise = min(1.0, (step + 1) / (warmup + 1))
    return rise if schedule == "constant" else rise * (1 + cos(pi * step / steps)) / 2


def _noisy(targets: Tensor, share: float, classes: int, generator: torch.Generator) -> Tensor:
    if share == 0 or targets.is_floating_point():
        return targets
    chosen = torch.rand(targets.shape, generator=generator) < share
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
