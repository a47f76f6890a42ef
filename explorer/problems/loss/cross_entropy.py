"""Cross-entropy of the true class, or of the next token, in nats.

−log softmax(outputs)[target], for each sample, (n, 1), or for each token of a text, (n, L); its mean's exponential is then the perplexity.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TARGETS = "classes"
UNIT = "nat"

VECTOR = 16  # float32 in the widest register of a CPU


def losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, C), (n,) → (n, 1), or (n, L, C), (n, L) → (n, L)."""
    logits, classes = outputs.flatten(0, -2), targets.flatten()
    if logits.shape[1] < VECTOR and logits.device.type == "cpu" and not logits.requires_grad:
        # torch works through classes that lie side by side in vectors, and through fewer of them one by one; samples are many.
        logits, classes = logits.T.contiguous()[None], classes[None]
    return functional.cross_entropy(logits, classes, reduction="none").reshape(len(targets), -1)


def constant(targets: Tensor) -> float:
    """The entropy of the classes' (or tokens') frequencies."""
    shares = torch.bincount(targets.flatten()).double() / targets.numel()
    return -float(torch.xlogy(shares, shares).sum())
