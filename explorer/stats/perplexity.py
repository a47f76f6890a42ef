"""Perplexity, the exponential of a mean cross-entropy of tokens: among how many equally likely tokens a language model is left to choose.

Its interval is that of the loss, put through the same exponential. Only models with one vocabulary, on the same text, can be compared by it; that of a
masked model is over the masked tokens alone.
"""

from __future__ import annotations

from math import exp

from explorer.core import registry
from explorer.core.spec import ProblemSpec

_LOSSES = ("cross_entropy", "masked_cross_entropy")
_HEADS = ("causal_lm", "masked_lm")


def applies(problem: ProblemSpec) -> bool:
    """Whether the loss is the cross-entropy of tokens: the network answers for each of them, or the data ask for each."""
    answers = problem.network.name == "gpt" or problem.network.kwargs().get("head") in _HEADS
    return problem.loss in _LOSSES and (answers or registry.of_tokens(problem.data.name))


def from_loss(loss: float) -> float:
    """The perplexity of a mean loss in nats; infinite where it is beyond a float, NaN where the loss is none."""
    return exp(loss) if not loss > 700 else float("inf")
