"""Cross-entropy of the true class, or of the next token, in nats.

−log softmax(outputs)[target], for each sample, (n, 1), or for each token of a text, (n, L); its mean's exponential is then the perplexity.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

TARGETS = "classes"
UNIT = "nat"


def losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, C), (n,) → (n, 1), or (n, L, C), (n, L) → (n, L)."""
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="none").reshape(len(targets), -1)
