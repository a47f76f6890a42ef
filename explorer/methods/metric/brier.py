"""Brier score: how far predicted probabilities are from the true class, Σ_k (p_k − [k is true])², from 0 to 2.

Brier 1950, "Verification of Forecasts Expressed in Terms of Probability".
"""

from __future__ import annotations

from torch import Tensor

TITLE = "Brier score"
TERMS = (("brier", 1.0),)
OF = "labels"
ORDER = 5


def samples(p: Tensor, classes: Tensor) -> Tensor:
    """(m,) of probabilities (m, C) and true classes (m,): Σ p² − 2 p[true] + 1."""
    return p.square().sum(dim=-1) - 2 * p.gather(-1, classes[:, None])[:, 0] + 1
