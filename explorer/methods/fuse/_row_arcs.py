"""Arcs between the rows of two tensors, or between their columns: each with an angle of its own, as mergekit's nuslerp has them.

A row runs along the last axis, a column along the first. Where the directions are parallel or opposite but for rounding they are mixed linearly; what is zero
counts as at right angles to everything.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from explorer.checkpoints.passes import Kernel, Passes

SMALLEST = 1e-7  # length that a direction is divided by at least
COLLINEAR = 1e-16  # of the angle's sine, squared


def of_rows(t: float, width: int) -> Kernel:
    """The point at t of the arc between the rows, `width` entries each; its blocks must be whole ones."""

    def kernel(passes: Passes) -> Iterator[Tensor]:
        for a, b in passes():
            if not a.numel():
                yield a
                continue
            rows, others = a.reshape(-1, width), b.reshape(-1, width)
            sums = [(x * y).sum(dim=1, keepdim=True) for x, y in ((rows, rows), (rows, others), (others, others))]
            yield _between(rows, others, t, *sums).view(a.shape)

    return kernel


def of_columns(t: float) -> Kernel:
    """The point at t of the arc between the columns; its blocks must be whole entries of the first axis. Their angles are found in a pass before."""

    def kernel(passes: Passes) -> Iterator[Tensor]:
        sums = [torch.zeros(())] * 3
        for a, b in passes():
            columns = [(x * y).sum(dim=0, keepdim=True) if a.dim() > 1 else (x * y).sum() for x, y in ((a, a), (a, b), (b, b))]
            sums = [total + part for total, part in zip(sums, columns, strict=True)]
        return (_between(a, b, t, *sums) for a, b in passes())

    return kernel


def _between(a: Tensor, b: Tensor, t: float, aa: Tensor, ab: Tensor, bb: Tensor) -> Tensor:
    cosine = (ab / (aa.sqrt().clamp(min=SMALLEST) * bb.sqrt().clamp(min=SMALLEST))).clamp(-1, 1)
    straight = 1 - cosine.square() <= COLLINEAR
    angle = cosine.masked_fill(straight, 0).acos()
    low, high = ((angle * share).sin() / angle.sin() for share in (1 - t, t))
    return a * torch.where(straight, 1 - t, low) + b * torch.where(straight, t, high)
