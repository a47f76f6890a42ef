"""How good the probabilities are, sample by sample: the Brier score, and the confidence in the class that is chosen (explorer.stats.metrics)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor


def scores(name: Literal["brier", "confidence"], outputs: Tensor, targets: Tensor, *, masked: bool = False) -> Tensor:
    """Logits (n, …, C) and classes (n, …) → (n, m) of each item, in float32 at least. masked: only items with a class from 0 are asked for.

    brier: Σ_k (p_k − [k is true])² = Σ p² − 2 p[true] + 1. confidence: the largest probability.
    """
    logits, classes = outputs.flatten(0, -2), targets.flatten()
    if masked:  # not looked for without need: a CUDA graph cannot wait for it
        logits, classes = logits[classes >= 0], classes[classes >= 0]
    p = (logits if logits.dtype.itemsize > 4 else logits.float()).softmax(dim=-1)
    found = p.amax(dim=-1) if name == "confidence" else p.square().sum(dim=-1) - 2 * p.gather(-1, classes[:, None])[:, 0] + 1
    return found.reshape(len(targets), -1)
