"""How far inputs are from those that a network was trained on, as far as it tells: its first batch norm keeps the mean and variance of what came to it.

Without a batch norm a network keeps nothing of its inputs, and nothing is said. Between the inputs and that layer lie the network's own weights, so the
statistics are of what they make of the inputs, not of the inputs themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)


class _Reached(Exception):
    """The first batch norm has been asked."""


@torch.no_grad()
def input_shift(network: nn.Module, inputs: Tensor) -> tuple[str, float, float] | None:
    """The name of the first batch norm that inputs (n, …) come to, and two medians over its channels: of |mean − kept mean| in kept standard deviations, and
    of the standard deviation as a multiple of the kept one. None where there is no such layer, or a median is not finite."""
    found: list[tuple[_BatchNorm, Tensor]] = []

    def asked(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, _BatchNorm)
        found.append((layer, given[0]))
        raise _Reached

    names = {m: name for name, m in network.named_modules() if isinstance(m, _BatchNorm) and m.running_mean is not None}
    handles = [layer.register_forward_pre_hook(asked) for layer in names]
    try:
        network(inputs)
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        return None
    layer, given = found[0]
    assert layer.running_mean is not None and layer.running_var is not None
    channels = given.double().transpose(0, 1).flatten(1)
    kept = (layer.running_var.double() + layer.eps).sqrt()
    far = ((channels.mean(dim=1) - layer.running_mean.double()).abs() / kept).median()
    wide = ((channels.var(dim=1, unbiased=False) + layer.eps).sqrt() / kept).median()
    return (names[layer], float(far), float(wide)) if torch.isfinite(far + wide) else None
