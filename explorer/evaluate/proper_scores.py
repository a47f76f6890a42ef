"""What a metric's module measures of probabilities, sample by sample: the Brier score, the confidence in the class that is chosen (explorer.methods.metric)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.stats import metrics


def scores(measured: str, outputs: Tensor, targets: Tensor, *, masked: bool = False) -> Tensor:
    """Logits (n, …, C) and classes (n, …) → (n, m) of each item, in float32 at least. masked: only items with a class from 0 are asked for, 0 elsewhere.

    `measured`: the sum's name among those of a field. Refused when the module that measures it was changed since.
    """
    name = measured.partition("@")[0]
    if metrics.measured_as(name) != measured:
        raise Refused(f"The metric {name} was changed after these points were asked for. Ask for them again.")
    logits, classes = outputs.flatten(0, -2), targets.flatten()
    if masked:  # not looked for without need: a CUDA graph cannot wait for it
        logits, classes = logits[classes >= 0], classes[classes >= 0]
    p = (logits if logits.dtype.itemsize > 4 else logits.float()).softmax(dim=-1)
    samples = cast("Callable[[Tensor, Tensor], Tensor]", registry.find("metric", name, function="samples"))
    found = samples(p, classes)
    if masked:
        found = found.new_zeros(targets.numel()).masked_scatter_(targets.flatten() >= 0, found)
    return found.reshape(len(targets), -1)
