"""Divergence from the first model, without labels: KL(first ‖ this one) between their probabilities, in nats.

Σ p log(p/q), p = softmax of the first corner's outputs on the same inputs, q = softmax of the outputs (Kullback & Leibler 1951, "On Information and
Sufficiency"); for each sample, or for each token. Wrong is what disagrees with the first model's choice.

It is 0 at the first model and says how far the *function* has moved, on inputs of which nobody need know the answers. It does not say whether the
function became better or worse: a better model diverges too. It is not symmetric, so a line has another barrier from B to A; and on inputs that no
model was trained on (noise) it tells of behaviour that may never matter.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

TARGETS = "reference"
ANSWERS = "classes"
UNIT = "nat"


def losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, …, C) and the first model's (n, …, C) → (n, m)."""
    q, p = outputs.log_softmax(dim=-1), targets.to(outputs.dtype).log_softmax(dim=-1)
    return functional.kl_div(q, p, reduction="none", log_target=True).sum(dim=-1).reshape(len(targets), -1)


def wrong(outputs: Tensor, targets: Tensor) -> Tensor:
    """(n, m) whether the choice is not the first model's."""
    return (outputs.argmax(dim=-1) != targets.argmax(dim=-1)).reshape(len(targets), -1)
