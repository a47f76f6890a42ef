"""Networks of one population, by their parameters: averaged, or drawn towards their mean. Both write to the tensors they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


@torch.no_grad()
def become_mean(networks: Sequence[Mapping[str, Tensor]]) -> None:
    """Every network becomes the mean of all; one alone stays bit for bit."""
    pull(networks, 0.0)


@torch.no_grad()
def pull(networks: Sequence[Mapping[str, Tensor]], alpha: float) -> None:
    """Wᵢ ← α Wᵢ + (1 − α) W̄. Their mean stays what it was, their distances to it are multiplied by α; α = 1 touches nothing."""
    if alpha == 1.0 or len(networks) < 2:
        return
    for name in networks[0]:
        mean = torch.stack([n[name] for n in networks]).mean(dim=0)
        for network in networks:
            if alpha == 0.0:
                network[name].copy_(mean)
            else:
                network[name].lerp_(mean, 1 - alpha)
