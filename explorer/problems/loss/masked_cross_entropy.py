"""Cross-entropy of the tokens that are asked for, in nats: masked language models, and texts that are filled up or joined.

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", task 1. Targets are −1 where nothing is asked: such
a place is in no sum and in no count, and each token that is asked for has the same weight, whichever text it is in. The exponential of a masked model's mean
is the pseudo-perplexity of these places, which is not to be compared with the perplexity of a causal model.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TARGETS = "masked"
UNIT = "nat"


def losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, L, C), (n, L) → (n, m) where all texts ask for m tokens, else (n, L), 0 where nothing is asked."""
    asked = targets >= 0
    if _alike(asked):
        return functional.cross_entropy(outputs[asked], targets[asked], reduction="none").reshape(len(targets), -1)
    return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="none", ignore_index=-1).reshape(len(targets), -1)


def counted(targets: Tensor) -> Tensor:
    """(n,) how many tokens of each text are asked for."""
    return (targets >= 0).flatten(1).sum(dim=1)


def wrong(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, m), or (n, L), as the losses: whether the most likely token is not the one that is asked for."""
    asked = targets >= 0
    if _alike(asked):
        return (outputs[asked].argmax(dim=-1) != targets[asked]).reshape(len(targets), -1)
    return ((outputs.argmax(dim=-1) != targets) & asked).reshape(len(targets), -1)


def _alike(asked: Tensor) -> bool:
    """Whether all texts ask for equally many tokens, so that those of each can stand in a row."""
    each = asked.flatten(1).sum(dim=1)
    return bool((each == each[0]).all())


def constant(targets: Tensor) -> float:
    """The entropy of the masked tokens' frequencies."""
    asked = targets[targets >= 0]
    shares = torch.bincount(asked).double() / len(asked)
    return -float(torch.xlogy(shares, shares).sum())
