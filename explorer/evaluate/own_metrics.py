"""Metrics that somebody's own functions measure (explorer.problems.held), as sums over blocks like all others.

A metric of each sample is summed. One of all samples together, θ, such as F1, is no mean; its sums over blocks are made of the jackknife: with θ₋ᵦ the
metric without block b, which holds n_b of N items, J_b = N θ − (N − n_b) θ₋ᵦ, and then J_b + n_b (θ − Σ J / N), so that they add up to N θ exactly. For a
mean these are its sums over blocks. An interval or a paired difference of such sums then is that of θ to first order in each block's influence, as its
bootstrap is (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", 11 and 20). That is wrong for metrics that are not smooth in the samples,
such as a median or a maximum.
"""

from __future__ import annotations

import torch
from torch import Tensor

from explorer.core.errors import Refused
from explorer.problems import held


def of_each(metric: str, outputs: Tensor, targets: Tensor, items: int) -> Tensor:
    """(n, 1) the metric of each sample, times the items that it counts; zeros for a metric of all together."""
    found = held.metric(metric)
    if not found.each:
        return torch.zeros(len(outputs), 1, device=outputs.device)
    values = _value(metric, outputs, targets).reshape(len(outputs), -1)
    return (values if values.is_floating_point() else values.float()).mean(dim=1, keepdim=True) * items


def is_of_all(metric: str) -> bool:
    """Whether it is one number of all samples."""
    return not held.metric(metric).each


def blockwise(metric: str, outputs: Tensor, targets: Tensor, block: Tensor, counts: Tensor) -> Tensor:
    """(blocks,) float64 sums of a metric of all samples (n, …), of which `block` (n,) says where each belongs; counts: (blocks,) items."""
    total = counts.sum()
    whole = _number(metric, outputs, targets)
    without = torch.stack([_number(metric, outputs[block != b], targets[block != b]) for b in range(len(counts))]) if len(counts) > 1 else whole[None]
    influence = total * whole - (total - counts) * without
    return influence + counts * (whole - influence.sum() / total)


def _number(metric: str, outputs: Tensor, targets: Tensor) -> Tensor:
    found = _value(metric, outputs, targets)
    if found.numel() != 1:
        raise Refused(
            f"The metric {metric.partition('@')[0]!r} gave {tuple(found.shape)}, but a single number when it was first tried. Let it always give one number."
        )
    return found.reshape(()).double().cpu()


def _value(metric: str, outputs: Tensor, targets: Tensor) -> Tensor:
    found = held.metric(metric).function(outputs, targets)
    assert isinstance(found, Tensor)
    return found.to(outputs.device)
