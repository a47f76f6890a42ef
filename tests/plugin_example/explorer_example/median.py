"""Median of the weights, number by number.

Yin, Chen, Ramchandran, Bartlett 2018, "Byzantine-robust distributed learning: towards optimal statistical rates", Definition 1 (the coordinate-wise
median; there of gradients). One wild model among three moves no number beyond the other two. Integer buffers are the first model's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from explorer.api.plugin import Problem, Weights

MODELS = (2, None)  # the fewest and the most models; None: any number


def fuse(models: Sequence[Weights], problem: Problem, *, lower: bool = False) -> Weights:
    """One model of the models' shapes. `lower`: of an even number of models the lower of the two middle values, not their mean."""
    quantile = torch.median if lower else _median
    first = models[0]
    stacked = {name: torch.stack([m[name].float() for m in models]) for name, t in first.items() if t.is_floating_point()}
    return {name: quantile(stacked[name], dim=0)[0].to(t.dtype) if name in stacked else t.clone() for name, t in first.items()}


def _median(values: torch.Tensor, dim: int) -> tuple[torch.Tensor]:
    return (torch.quantile(values, 0.5, dim=dim),)
