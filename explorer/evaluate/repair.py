"""REPAIR: give the units of a mixed network the statistics that the networks it is mixed of would lead one to expect.

Jordan, Sedghi, Saukh, Entezari & Neyshabur 2023, "REPAIR: REnormalizing Permuted Activations for Interpolation Repair". Between two networks
the variance of hidden units collapses, layer upon layer, however well they are aligned. For Σ cᵢ·modelᵢ every unit's output y is rescaled and shifted,

    y ← (y − μ) · σ' / σ + μ',     μ' = Σ cᵢ μᵢ,     σ' = max(Σ cᵢ σᵢ, 0),

with μ, σ its mean and standard deviation (not its variance) over samples, pixels and tokens in the mixture, and μᵢ, σᵢ those in modelᵢ. The layers are
taken in forward order, each measured with the corrections before it in force, and the correction goes into the layer's weight and bias: the result
is a plain checkpoint of the same architecture.

Corrected are the outputs of linear layers and convolutions, but for those of the last layer, which are answers and not features, and those that go
straight into a batch norm: there, recalibrating the norm (that paper's RESET) does the same, because a mixed norm already has the mixed scale and shift.
Left as they are, too: layers whose weight is used elsewhere as well (tied), and weights that are used without their module being called. A layer without a
bias is rescaled and not shifted. A unit that does not vary in the mixture is shifted alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd  # pyright: ignore[reportPrivateUsage]

from explorer.checkpoints.weights import gram
from explorer.core.points import Array
from explorer.evaluate.weighted_layers import axes_of

STILL = 1e-6  # a standard deviation below this part of the root mean square is rounding


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each unit of a layer: (units,) float64, on the CPU."""

    mean: Tensor
    std: Tensor


class Repair:
    """The statistics of the corners, measured once, and the correction of mixtures towards them.

    `batches`: samples on the network's device. The network is written into; afterwards it holds the last corner.
    """

    def __init__(self, network: nn.Module, corners: Sequence[Mapping[str, Tensor]], batches: Sequence[Tensor]) -> None:
        self.batches = batches
        network.load_state_dict(dict(corners[0]))
        self.layers = layers(network, batches[0][:2])
        self.corners: list[dict[str, Moments]] = []
        for corner in corners if self.layers else ():
            network.load_state_dict(dict(corner))
            self.corners.append(moments(network, self.layers, batches))

    @property
    def names(self) -> set[str]:
        """The tensors that a correction changes."""
        return {f"{layer}.{name}" if layer else name for layer in self.layers for name in ("weight", "bias")}

    @torch.no_grad()
    def __call__(self, network: nn.Module, coefficients: Array) -> None:
        """Correct a network that holds Σ cᵢ·cornerᵢ, in place. Batch norms should use their batches' statistics meanwhile."""
        for name in self.layers:
            now = moments(network, {name: self.layers[name]}, self.batches)[name]
            mean = sum((c * m[name].mean for c, m in zip(coefficients.tolist(), self.corners, strict=True)), torch.zeros_like(now.mean))
            std = sum((c * m[name].std for c, m in zip(coefficients.tolist(), self.corners, strict=True)), torch.zeros_like(now.std))
            fold(network.get_submodule(name), now, Moments(mean, std.clamp_min(0)))


def nearest(models: Sequence[Mapping[str, Tensor]], fused: Mapping[str, Tensor], names: Sequence[str]) -> Array:
    """(n,) the c with sum 1 for which Σ cᵢ·modelᵢ is closest to the fused weights, over the named tensors; that of a weighted mean is its weights."""
    inner = gram([fused, *models], names)
    # Differences to the first model: the constraint is gone, and what all models share does not hide how they differ.
    difference = np.eye(len(inner))[:, [0, *range(2, len(inner))]]
    difference[1] = -1
    inner = difference.T @ inner @ difference
    c, *_ = np.linalg.lstsq(inner[1:, 1:], inner[1:, 0], rcond=1e-10)
    return np.array([1 - c.sum(), *c])


@torch.no_grad()
def layers(network: nn.Module, example: Tensor) -> dict[str, int]:
    """The layers to correct, in the order in which they are first called, and how often each is called in one pass."""
    owners = Counter(id(p) for m in network.modules() for p in m.parameters(recurse=False))
    called: list[str] = []
    made: dict[tuple[int, int, int], tuple[str, Tensor]] = {}  # the outputs stay alive, so that their memory is used for nothing else
    normed: set[str] = set()

    def key(tensor: Tensor) -> tuple[int, int, int]:
        return tensor.data_ptr(), tensor.numel(), tensor._version  # written into, it is another tensor

    def after(name: str, module: nn.Module, args: tuple[object, ...], output: Tensor) -> None:
        called.append(name)
        made[key(output)] = name, output

    def before_norm(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if (found := made.get(key(args[0]))) is not None:
            normed.add(found[0])

    candidates = {n: m for n, m in network.named_modules() if axes_of(m) is not None}
    handles = [m.register_forward_hook(partial(after, n)) for n, m in candidates.items()]
    handles += [m.register_forward_pre_hook(before_norm) for m in network.modules() if isinstance(m, _BatchNorm)]
    try:
        outputs = cast("Tensor", network(example))
    finally:
        for handle in handles:
            handle.remove()
    free = {
        n for n, m in candidates.items() if "weight" in dict(m.named_parameters(recurse=False)) and all(owners[id(p)] == 1 for p in m.parameters())
    }
    answers = {called[-1]} if called and _units(candidates[called[-1]]) == (outputs.shape[-1] if outputs.dim() > 1 else 1) else set[str]()
    return {name: calls for name, calls in Counter(called).items() if name in free - normed - answers}


class _EnoughSamples(Exception):
    """All that was to be seen has passed: the rest of the network need not be computed."""


@torch.no_grad()
def moments(network: nn.Module, layers: Mapping[str, int], batches: Iterable[Tensor]) -> dict[str, Moments]:
    """Mean and standard deviation of the layers' outputs over all batches (and pixels, tokens, calls), the network as it is."""
    sums = {name: (0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)) for name in layers}
    left = 0

    def after(name: str, module: nn.Module, args: tuple[object, ...], output: Tensor) -> None:
        nonlocal left
        axes = axes_of(module)
        assert axes is not None
        moved = output.movedim(axes.data, -1).flatten(0, -2)
        mean = moved.mean(dim=0)
        squares = (moved - mean).square().sum(dim=0)
        sums[name] = _pooled(sums[name], (len(moved), mean.cpu().double(), squares.cpu().double()))
        left -= 1
        if left == 0:
            raise _EnoughSamples

    handles = [network.get_submodule(n).register_forward_hook(partial(after, n)) for n in layers]
    try:
        for batch in batches:
            left = sum(layers.values())
            with suppress(_EnoughSamples):
                network(batch)
    finally:
        for handle in handles:
            handle.remove()
    return {name: Moments(mean, (squares / n).sqrt()) for name, (n, mean, squares) in sums.items()}


def _pooled(a: tuple[int, Tensor, Tensor], b: tuple[int, Tensor, Tensor]) -> tuple[int, Tensor, Tensor]:
    """Number, mean and sum of squared deviations of two sets together (Chan, Golub & LeVeque 1983)."""
    n = a[0] + b[0]
    difference = b[1] - a[1]
    return n, a[1] + difference * (b[0] / n), a[2] + b[2] + difference.square() * (a[0] * b[0] / n)


@torch.no_grad()
def fold(layer: nn.Module, now: Moments, wanted: Moments) -> None:
    """Rescale and shift a layer's outputs from the moments they have to the wanted ones, by its weight and bias, in place."""
    weight = dict(layer.named_parameters(recurse=False))["weight"]
    bias = dict(layer.named_parameters(recurse=False)).get("bias")
    still = now.std <= STILL * (now.std.square() + now.mean.square()).sqrt()
    scale = torch.where(still, 1, wanted.std / torch.where(still, 1, now.std))
    axes = axes_of(layer)
    if axes is not None and axes.outputs is not None:
        weight.mul_(scale.to(weight).view([-1 if i == axes.outputs else 1 for i in range(weight.dim())]))
    else:  # a grouped transpose: (groups · inputs, outputs of one group, …)
        groups = cast("_ConvTransposeNd", layer).groups
        weight.unflatten(0, (groups, -1)).mul_(scale.to(weight).view(groups, 1, -1, *[1] * (weight.dim() - 2)))
    if bias is not None:
        bias.copy_((bias.cpu().double() - now.mean) * scale + wanted.mean)


def _units(layer: nn.Module) -> int:
    axes = axes_of(layer)
    weight = cast("Tensor", layer.weight)
    return cast("_ConvNd", layer).out_channels if axes is None or axes.outputs is None else weight.shape[axes.outputs]
