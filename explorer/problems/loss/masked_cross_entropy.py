"""Cross-entropy of the tokens that were masked, in nats: masked language models.

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", task 1. Targets are −1 where nothing is asked;
every text asks for equally many tokens, m, so that each has the same weight. The exponential of the mean is the pseudo-perplexity of these places, which
is not to be compared with the perplexity of a causal model.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TARGETS = "masked"
UNIT = "nat"


def losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, L, C), (n, L) → (n, m)."""
    asked = targets >= 0
    return functional.cross_entropy(outputs[asked], targets[asked], reduction="none").reshape(len(targets), -1)


def wrong(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, m) whether the most likely token is not the one that was masked."""
    asked = targets >= 0
    return (outputs[asked].argmax(dim=-1) != targets[asked]).reshape(len(targets), -1)


def constant(targets: Tensor) -> float:
    """The entropy of the masked tokens' frequencies."""
    asked = targets[targets >= 0]
    shares = torch.bincount(asked).double() / len(asked)
    return -float(torch.xlogy(shares, shares).sum())
