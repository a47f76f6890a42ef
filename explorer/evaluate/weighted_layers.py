"""Layers that own a weight matrix, and where their units stand: on which axis of the weight, and of the data that pass through.

Linear layers, convolutions and their transposes, and the Conv1D of Hugging Face's GPT-2, which is a linear layer stored the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd  # pyright: ignore[reportPrivateUsage]  (the only common bases of the convolutions)
from torch.nn.utils.weight_norm import WeightNorm


@dataclass(frozen=True)
class Axes:
    """`inputs`, `outputs`: the axis of the weight on which all units of that side stand; None where there is none (grouped convolutions).

    `data`: the units' axis of what goes in and comes out, counted from the end.
    """

    inputs: int | None
    outputs: int | None
    data: int = -1


def axes_of(module: nn.Module) -> Axes | None:
    """Where a layer's units stand; None for modules without a weight matrix."""
    match module:
        case nn.Linear():
            return Axes(1, 0)
        case _ConvTransposeNd():
            return Axes(0, 1 if module.groups == 1 else None, -1 - len(module.kernel_size))
        case _ConvNd():
            return Axes(1 if module.groups == 1 else None, 0, -1 - len(module.kernel_size))
        case _ if type(module).__name__ == "Conv1D" and hasattr(module, "nf"):  # its library is not needed to recognise it
            return Axes(0, 1)
        case _:
            return None


@dataclass(frozen=True)
class NormedWeight:
    """A weight under weight normalisation, g·v/‖v‖: the names of g and v, and the axis of v that each has a length of its own along; None for one length.

    Salimans & Kingma 2016, "Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks".
    """

    length: str
    direction: str
    dim: int | None

    def of(self, model: Mapping[str, Tensor]) -> Tensor:
        """The weight in float64."""
        v = model[self.direction].double()
        return v * (model[self.length].double() / self.norm(v))

    def norm(self, weight: Tensor) -> Tensor:
        """‖weight‖ along all axes but `dim`, of the shape of g."""
        return torch.norm_except_dim(weight, 2, -1 if self.dim is None else self.dim)


def normed_weights(network: nn.Module) -> dict[str, NormedWeight]:
    """Of each weight under weight normalisation, old-style by a hook or as a parametrisation, how it is stored."""
    found: dict[str, NormedWeight] = {}
    for name, module in network.named_modules():
        prefix = f"{name}." if name else ""
        for hook in module._forward_pre_hooks.values():  # pyright: ignore[reportPrivateUsage]  (where the old weight_norm is)
            if isinstance(hook, WeightNorm):
                found[f"{prefix}{hook.name}"] = NormedWeight(f"{prefix}{hook.name}_g", f"{prefix}{hook.name}_v", None if hook.dim == -1 else hook.dim)
        for kind, applied in cast("Mapping[str, Sequence[nn.Module]]", getattr(module, "parametrizations", {})).items():
            if len(applied) == 1 and type(applied[0]).__name__ == "_WeightNorm":
                dim = cast("int", applied[0].dim)
                original = f"{prefix}parametrizations.{kind}.original"
                found[f"{prefix}{kind}"] = NormedWeight(f"{original}0", f"{original}1", None if dim == -1 else dim)
    return found


def uses(network: nn.Module) -> dict[str, int]:
    """For each weight that uses units: along which of its axes."""
    found: dict[str, int] = {}
    for name, module in network.named_modules():
        prefix = f"{name}." if name else ""
        if (axes := axes_of(module)) is not None:  # a grouped convolution names one side at most: the other one uses, or the first if none is named
            made = axes.outputs if axes.outputs is not None else 1
            found[f"{prefix}weight"] = axes.inputs if axes.inputs is not None else 1 - made
        elif isinstance(module, nn.MultiheadAttention):
            found |= {f"{prefix}{w}": 1 for w in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")}
    return found
