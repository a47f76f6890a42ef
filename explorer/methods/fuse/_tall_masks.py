"""TALL masks: which changes of a sum of task vectors a task needs.

Wang, Dimitriadis, Ortiz-Jimenez, Fleuret & Frossard 2024, "Localizing Task Information for Improved Model Merging and Compression" (ICML), eq. 5. With
τᵢ = Wᵢ − W₀ and τ = Σ τᵢ, task i needs what brings its weights nearer to its own:

    mᵢ = [ |τᵢ| ≥ λ · |τ − τᵢ| ]        entry by entry
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from explorer.checkpoints.arithmetic import vectors


def masked_sum(tensors: Sequence[Tensor], strictness: float) -> tuple[Tensor, list[Tensor]]:
    """τ, and for each task its mask, from the base tensors[0] and the models; all in the precision that is computed in."""
    changes = list(vectors(tensors))
    total = sum(changes[1:], start=changes[0].clone())
    return total, [change.abs() >= (total - change).abs_().mul_(strictness) for change in changes]
