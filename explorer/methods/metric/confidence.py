"""Confidence: the probability of the class that is chosen."""

from __future__ import annotations

from torch import Tensor

TERMS = (("confidence", 1.0),)
OF = "labels"
GOOD = ""
PERCENT = True
ORDER = 6


def samples(p: Tensor, classes: Tensor) -> Tensor:
    """(m,) of probabilities (m, C); which class is true makes no difference."""
    return p.amax(dim=-1)
