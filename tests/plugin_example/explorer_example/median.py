"""Median of the weights, number by number.

Yin, Chen, Ramchandran, Bartlett 2018, "Byzantine-robust distributed learning: towards optimal statistical rates", Definition 1 (the coordinate-wise
median; there of gradients). One wild model among three moves no number beyond the other two. Integer buffers are the first model's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from explorer.api.plugin import Problem, Weights, by_entry

MODELS = (2, None)  # the fewest and the most models; None: any number


def fuse(models: Sequence[Weights], problem: Problem, *, lower: bool = False) -> Weights:
    """One model of the models' shapes. `lower`: of an even number of models the lower of the two middle values, not their mean."""
    quantile = torch.median if lower else _median
    return by_entry(models, problem, lambda tensors: quantile(torch.stack(tensors), dim=0)[0])


def _median(values: torch.Tensor, dim: int) -> tuple[torch.Tensor]:
    return (torch.quantile(values, 0.5, dim=dim),)
