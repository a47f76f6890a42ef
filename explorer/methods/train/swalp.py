"""SWALP's trajectory: weights on a coarse grid, rounded at random after every step. Their average lies between the grid's points.

Yang, Zhang, Kirichenko, Bai, Wilson & De Sa 2019, "SWALP: Stochastic Weight Averaging in Low-Precision Training" (ICML):

    w ← Q(w − α g)        Q(x) = δ⌊x/δ + u⌋, u uniform on [0, 1)        δ = 2^−`fraction`

Stochastic rounding errs by nothing in the mean, so the iterates hover around the optimum at about δ, and their average in full precision (`fuse/swa`)
comes much closer than δ. Numbers have `bits` binary digits with the sign, so they reach from −2^(bits − 1) δ to (2^(bits − 1) − 1) δ. Parameters are
rounded, also those that are begun with; gradients, momentum and batch-norm statistics keep full precision here, where the paper's networks round them too.
Until epoch `begin` the rate falls from `lr` to `swa_lr` along half a cosine, and is constant from there on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.learner import How, Learner, falling
from explorer.training.resumable import Course


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    epochs: Annotated[int, Range(1, 10000)] = 24,
    begin: Annotated[int, Range(0, 10000)] = 8,
    lr: Annotated[float, Range(0, 100)] = 0.1,
    swa_lr: Annotated[float, Range(0, 100)] = 0.05,
    bits: Annotated[int, Range(2, 24)] = 8,
    fraction: Annotated[int, Range(0, 23)] = 6,
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9,
    weight_decay: Annotated[float, Range(0, 100)] = 0.0,
    batch: Annotated[int, Range(1, 1048576)] = 64,
    noise: Annotated[float, Range(0, 1000)] = 0.0,
    shift: bool = False,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    order_seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    course: Course | None = None,
) -> Iterator[Weights]:
    """Snapshots on the CPU, one after each epoch, whose parameters lie on the grid. The rest as in `sgd`."""
    how = How(epochs, 1.0, momentum, weight_decay, batch, noise=noise, shift=shift)

    def rate(step: int, parts: int) -> float:
        return swa_lr + (lr - swa_lr) * falling(step, begin * parts) if step < begin * parts else swa_lr

    learner = Learner(problem, start, how, rate, seed=seed, order_seed=order_seed, device=device)
    dice = torch.Generator().manual_seed(order_seed + 1)
    _round_all(learner, bits, fraction, dice)
    for step in (course or Course()).steps(learner, dice=dice):
        _round_all(learner, bits, fraction, dice)
        if step % learner.parts == 0:
            yield learner.weights()


def quantised(x: Tensor, bits: int, fraction: int, dice: torch.Generator) -> Tensor:
    """Q(x): every number on the grid of 2^−fraction, up or down at random so that the mean is kept; numbers out of reach are set to the nearest in it."""
    u = torch.rand(x.shape, generator=dice).to(x.device)
    steps = torch.floor(x * 2.0**fraction + u)
    return steps.clamp_(-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) / 2.0**fraction


@torch.no_grad()
def _round_all(learner: Learner, bits: int, fraction: int, dice: torch.Generator) -> None:
    for parameter in learner.parameters.values():
        parameter.copy_(quantised(parameter, bits, fraction, dice))
