"""SWALP's trajectory: weights on a coarse grid, rounded at random after every step. Their average lies between the grid's points.

Yang, Zhang, Kirichenko, Bai, Wilson & De Sa 2019, "SWALP: Stochastic Weight Averaging in Low-Precision Training" (ICML):

    w ← Q(w − α g)        Q(x) = δ⌊x/δ + u⌋, u uniform on [0, 1)        δ = 2^−`fraction`

Stochastic rounding has no error on average, so the iterates hover around the optimum at about δ, and their average in full precision (`fuse/swa`)
comes much closer than δ. Numbers have `bits` binary digits with the sign, so they reach from −2^(bits − 1) δ to (2^(bits − 1) − 1) δ. Parameters are
rounded, also the initial ones; gradients, momentum and batch-norm statistics keep full precision here, where the paper's networks round them too.
Until epoch `begin` the rate falls from `lr` to `swa_lr` along half a cosine, and is constant from there on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.learner import Learner, falling
from explorer.training.options import AveragedOptions
from explorer.training.resumable import ResumableTraining


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    how: AveragedOptions = AveragedOptions(swa_lr=0.05),
    bits: Annotated[int, Range(2, 24)] = 8,
    fraction: Annotated[int, Range(0, 23)] = 6,
    device: str = "cpu",
    training: ResumableTraining | None = None,
) -> Iterator[Weights]:
    """Snapshots on the CPU, one after each epoch, whose parameters lie on the grid. The rest as in `sgd`."""

    def rate(step: int, parts: int) -> float:
        return how.swa_lr + (how.lr - how.swa_lr) * falling(step, how.begin * parts) if step < how.begin * parts else how.swa_lr

    learner = Learner(problem, start, replace(how, lr=1.0), rate, order_seed=how.order_seed, noise=how.noise, shift=how.shift, device=device)
    dice = torch.Generator().manual_seed(how.order_seed + 1)
    _round_all(learner, bits, fraction, dice)
    for step in (training or ResumableTraining()).steps(learner, dice=dice):
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
