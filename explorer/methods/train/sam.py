"""SAM: every step takes its gradient at the worst point nearby, so that training looks for flat places.

Foret, Kleiner, Mobahi & Neyshabur 2021, "Sharpness-Aware Minimization for Efficiently Improving Generalization" (ICLR), algorithm 1:

    ε = ρ g / ‖g‖, g = ∇L(w)        w ← w − α ∇L(w + ε)

g is the gradient of the batch over all weights, and the distance ρ is Euclidean. A step costs two passes. Batch-norm statistics are those of the first pass,
as in the authors' code; momentum, decay and schedule are those of `sgd`, which it is bit for bit at ρ = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.training.learner import Learner, falling
from explorer.training.options import ScheduledOptions
from explorer.training.resumable import ResumableTraining


def train(
    problem: Problem,
    start: Mapping[str, Tensor] | None = None,
    *,
    how: ScheduledOptions = ScheduledOptions(),
    rho: Annotated[float, Range(0, 100)] = 0.05,
    device: str = "cpu",
    training: ResumableTraining | None = None,
) -> Iterator[Weights]:
    """Snapshots on the CPU, one after each epoch. `rho`: how far away the worst point is looked for. The rest as in `sgd`."""
    learner = Learner(
        problem,
        start,
        how,
        lambda step, parts: 1.0 if how.schedule == "constant" else falling(step, how.epochs * parts),
        order_seed=how.order_seed,
        noise=how.noise,
        shift=how.shift,
        gradient=partial(at_the_worst_point, rho=rho),
        device=device,
    )
    for step in (training or ResumableTraining()).steps(learner):
        if step % learner.parts == 0:
            yield learner.weights()


def at_the_worst_point(learner: Learner, batch: Callable[[], Tensor], *, rho: float) -> Tensor:
    """Leave the gradient at w + ρ g / ‖g‖, and w as it was. The loss at w."""
    loss = batch()
    with torch.no_grad():
        steps = ascents({name: p.grad for name, p in learner.parameters.items() if p.grad is not None}, rho)
        before = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
        for name, step in steps.items():
            learner.parameters[name].add_(step)
    batch()
    with torch.no_grad():
        for name, tensor in learner.network.state_dict().items():
            tensor.copy_(before[name])
    return loss


def ascents(gradients: Mapping[str, Tensor], rho: float) -> Weights:
    """ρ g / ‖g‖, the norm being that of all tensors together; zeros where the gradient is zero."""
    norm = torch.sqrt(sum((g.square().sum() for g in gradients.values()), torch.zeros(())))
    return {name: rho * g / norm if norm > 0 else torch.zeros_like(g) for name, g in gradients.items()}
