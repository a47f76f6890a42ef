"""Adversarial inputs by projected gradient ascent: for each sample, a neighbour x' of x with a high loss, within ‖x' − x‖ ≤ radius.

Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks". Each step goes up the gradient (l∞: along its sign,
the steepest direction in that norm; l2: along its direction) and is projected back on the ball of each sample. A step is 2.5·radius/steps long, so
that the border is reached from everywhere and can still be followed. The norm is that of one sample, over all of its numbers, in the units in which
the network sees them. Nothing keeps x' in the range of the data (grey values from 0 to 1, say): that range is not known here.

What comes back is a lower bound of the maximum, and never worse than x itself: of all inputs visited it is, sample by sample, that with the highest loss
(as long as samples do not see each other, as they do in a batch norm that is being trained). The whole way is 2.5 radii long however many the steps: of a linear model's maximum an l2 ascent from a random point gets some 96 per cent, one from x all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from explorer.core.errors import Refused

Norm: TypeAlias = Literal["linf", "l2"]

STRIDE = 2.5  # length of all steps together, in radii


def attack(
    losses_of: Callable[[Tensor], Tensor], inputs: Tensor, norm: Norm, radius: float, steps: int, *, generator: torch.Generator | None = None
) -> Tensor:
    """(n, …) inputs within the radius of the given ones, detached. `losses_of` gives the loss of each, (n,), differentiable in them.

    With a generator (on the CPU) the ascent begins at a random point of the ball, otherwise at the inputs. Radius 0 gives the inputs themselves.
    Refused when the inputs are no real numbers.
    """
    if radius == 0:
        return inputs
    if not inputs.is_floating_point():
        raise Refused(
            f"An attack moves inputs a little, which needs real numbers, and these are whole ones ({inputs.dtype}), such as the tokens of a text."
            " Use a problem with real inputs, or set the radius to 0."
        )
    origin = inputs.detach()
    with torch.no_grad():
        best, highest = origin, losses_of(origin)
    x = origin if generator is None else origin + _somewhere(origin, norm, radius, generator)
    for step in range(steps + 1):
        last = step == steps
        with torch.set_grad_enabled(not last):
            x = x.detach().requires_grad_(not last)
            losses = losses_of(x)
            gradient = None if last else torch.autograd.grad(losses.sum(), x)[0]
        x, losses = x.detach(), losses.detach()
        higher = losses > highest
        best = torch.where(higher.reshape(-1, *[1] * (x.dim() - 1)), x, best)
        highest = torch.where(higher, losses, highest)
        if gradient is not None:
            direction = gradient.sign() if norm == "linf" else _scaled(gradient, 1.0)
            x = origin + _projected(x + STRIDE * radius / steps * direction - origin, norm, radius)
    return best


def _projected(delta: Tensor, norm: Norm, radius: float) -> Tensor:
    """The nearest point of the ball, sample by sample."""
    if norm == "linf":
        return delta.clamp(-radius, radius)
    length = _lengths(delta)
    return delta * torch.where(length > radius, radius / length, torch.ones_like(length))


def _scaled(direction: Tensor, length: float) -> Tensor:
    """Every sample at the given length; one that is zero everywhere stays."""
    lengths = _lengths(direction)
    return direction * torch.where(lengths > 0, length / lengths, torch.zeros_like(lengths))


def _lengths(x: Tensor) -> Tensor:
    """(n, 1, …) Euclidean length of every sample."""
    return torch.linalg.vector_norm(x.flatten(1), dim=1).reshape(-1, *[1] * (x.dim() - 1))


def _somewhere(like: Tensor, norm: Norm, radius: float, generator: torch.Generator) -> Tensor:
    """A random point of every sample's ball, uniform in volume."""
    if norm == "linf":
        return ((2 * torch.rand(like.shape, generator=generator) - 1) * radius).to(like)
    share = torch.rand(len(like), generator=generator) ** (1 / like[0].numel())
    normal = torch.randn(like.shape, generator=generator)
    return (_scaled(normal, radius) * share.reshape(-1, *[1] * (like.dim() - 1))).to(like)
