"""Weighted means along a trajectory, whose models lie close together: Σ cᵢ·Wᵢ with coefficients that sum to 1.

Computed as W_a + Σ cᵢ·(Wᵢ − W_a) around one of the models. Where all are equal, or one coefficient is 1, that model comes back bit for bit in every
precision, and what is rounded is the small differences instead of the large weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from explorer.checkpoints.per_tensor import by_entry
from explorer.checkpoints.weights import Weights
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.problems.problem import Problem


def averaged(models: Sequence[Weights], problem: Problem, coefficients: Array, *, progress: Progress = quiet) -> Weights:
    """One model of the models' shapes. The model with the largest coefficient is the one that the sum is taken around."""
    anchor = int(np.argmax(coefficients))
    parts = [(float(c), i) for i, c in enumerate(coefficients) if c and i != anchor]

    def kernel(tensors: list[Tensor]) -> Tensor:
        total = tensors[anchor].clone()
        for c, i in parts:
            total.add_(tensors[i] - tensors[anchor], alpha=c)
        return total

    return by_entry(models, problem, kernel, buffers=coefficients.tolist(), progress=progress)
