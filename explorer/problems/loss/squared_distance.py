"""Squared distance from the first model's outputs, without labels: the mean over the outputs of a regression.

(1/d) Σ (fᵢ(x) − gᵢ(x))², g the first corner. 0 at the first model; symmetric; in the square of the outputs' unit. Like `divergence`, it says how far the
function has moved, and nothing of better or worse.
"""

from __future__ import annotations

from torch import Tensor

TARGETS = "reference"
ANSWERS = "numbers"
UNIT = ""


def losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, …) and the first model's (n, …) → (n, 1)."""
    return (outputs - targets.to(outputs.dtype)).square().flatten(1).mean(dim=1, keepdim=True)
