"""A mixture of corners as a network: built for the device and the type it is computed in, its weights written, its statistics settled, and rounded to the types
that a file of it would have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from explorer.checkpoints.lazy_weights import Streamed
from explorer.checkpoints.weights import Weights, is_half, mix, stored_type
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.spec import Buffers, Precision
from explorer.evaluate.batch_norm import has_batch_norm, recalibrate, repaired, within_hull
from explorer.evaluate.devices import memory
from explorer.evaluate.repair import Repair
from explorer.evaluate.steady_answers import leaving_buffers
from explorer.problems.problem import Problem

RECALIBRATION_SAMPLES = 2048
MOST = 0.8  # of the free memory that a network may take; a larger one goes through layer by layer


def at_corner(coefficients: Array) -> bool:
    """One coefficient 1, all others 0."""
    return np.count_nonzero(coefficients) == 1 and coefficients.sum() == 1.0


def computed_in(corners: Sequence[Mapping[str, Tensor]], precision: Precision) -> torch.dtype:
    """The type that a network of these corners computes in: float64 where one is stored so, else float32; by the precision `stored` the half precision in
    which all decimals of mixtures are saved."""
    if precision == "stored" and (half := stored_alike(corners)) is not None:
        return half
    return torch.float64 if any(t.dtype == torch.float64 for t in corners[0].values()) else torch.float32


def fits(problem: Problem, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the network's weights, in this type, take no more than most of what is free on a device."""
    free = memory(str(device))
    return free is None or sum(p.numel() for p in problem.skeleton().parameters()) * dtype.itemsize <= MOST * free.free


def stands_in(problem: Problem, corners: Sequence[Mapping[str, Tensor]], device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a network can compute with the very tensors of its corner, and needs no memory of its own: of one corner alone, mapped from its file in the type
    that the network computes in. What batch norms keep is written to."""
    if len(corners) != 1 or not isinstance(corners[0], Streamed) or device.type != "cpu" or has_batch_norm(problem.skeleton()):
        return False
    return all(t.dtype == dtype for t in corners[0].values() if t.is_floating_point())


def network_like(
    problem: Problem, weights: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype | None = None, *, hollow: bool = False
) -> nn.Module:
    """The problem's network on the device, for weights to be written into, in the precision they are computed in: that which is asked for, else float64 for
    float64 and float32 for all others. `hollow`: as in Problem.blank.

    Refused where the device does not have that one.
    """
    dtype = dtype or computed_in([weights], "float32")
    if dtype == torch.float64 and device.type == "mps":
        raise Refused("These weights are float64, which Metal (mps) does not support. Use --device cpu, or save them in float32.")
    return leaving_buffers(problem.blank(device, dtype, hollow=hollow).requires_grad_(False))


def inputs_for(network: nn.Module, inputs: Tensor, device: torch.device) -> Tensor:
    """Inputs on the device, in the precision of the network where they are real numbers."""
    work = next(network.parameters()).dtype
    return inputs.to(device, work) if inputs.is_floating_point() else inputs.to(device)


@torch.no_grad()
def write_mixture(
    network: nn.Module,
    corners: Sequence[Mapping[str, Tensor]],
    coefficients: Array,
    *,
    buffers: Buffers,
    train: Tensor | None,
    tensors: Mapping[str, Tensor] | None = None,
    repair: Repair | None = None,
    halves: Mapping[str, torch.dtype] | None = None,
) -> None:
    """Write Σ cᵢ·cornerᵢ into a network and give its batch-norm layers their statistics, by one of four policies.

    recalibrate: measured on `train` (n, …). mix: mixed like the weights; Refused outside the convex hull, because variances are
    never extrapolated. first: those of the first corner. repair: recalibrated, and units that no batch norm sees get the mixed mean and
    standard deviation of the corners' (`repair`). At a corner itself all keep the corner's own. What all corners store in half precision
    (`halves`, read where they are not given) is rounded to it, as it would be in a file.
    """
    tensors = tensors or network.state_dict(keep_vars=True)
    mix(corners, coefficients.tolist(), out=tensors)
    if at_corner(coefficients) or not (buffers == "repair" or has_batch_norm(network)):
        return  # mixing has rounded
    _settle_buffers(network, corners, coefficients, buffers, train, repair)
    round_to(tensors, halves_of(corners) if halves is None else halves)


def _settle_buffers(
    network: nn.Module, corners: Sequence[Mapping[str, Tensor]], coefficients: Array, buffers: Buffers, train: Tensor | None, repair: Repair | None
) -> None:
    if buffers == "repair":
        assert repair is not None
        repaired(network, coefficients, repair)
    if not has_batch_norm(network):
        return
    if buffers == "first":
        for name, buffer in network.named_buffers():
            buffer.copy_(corners[0][name])
    elif buffers == "mix":
        within_hull(network, coefficients)
    else:
        assert train is not None
        recalibrate(network, train)


def halves_of(corners: Sequence[Mapping[str, Tensor]]) -> dict[str, torch.dtype]:
    """The types of the tensors whose mixtures are stored in half precision: those that all corners have in it."""
    types = {name: stored_type(corners, name) for name, tensor in corners[0].items() if is_half(tensor)}
    return {name: dtype for name, dtype in types.items() if dtype.itemsize < 4}


def stored_alike(corners: Sequence[Mapping[str, Tensor]]) -> torch.dtype | None:
    """The half precision in which all decimals of mixtures are stored; None where there are several types, or a wider one."""
    types = {stored_type(corners, name) for name, tensor in corners[0].items() if tensor.is_floating_point()}
    return types.pop() if types <= {torch.bfloat16} or types <= {torch.float16} else None


@torch.no_grad()
def round_to(tensors: Mapping[str, Tensor], types: Mapping[str, torch.dtype]) -> None:
    """Round a network's tensors to the types that they would be saved in, in place."""
    for name, dtype in types.items():
        if name in tensors:
            tensors[name].copy_(tensors[name].to(dtype))


@torch.no_grad()
def with_own_statistics(weights: Weights, problem: Problem) -> Weights:
    """A model that was made by other means than training, its batch-norm statistics measured: at a corner of a picture they are taken as they are."""
    network = network_like(problem, weights, torch.device("cpu"))
    if not has_batch_norm(network):
        return weights
    network.load_state_dict(weights)
    recalibrate(network, inputs_for(network, problem.split("train", RECALIBRATION_SAMPLES).inputs, torch.device("cpu")))
    state = network.state_dict()
    return {name: state[name].to(tensor.dtype) if name in dict(network.named_buffers()) else tensor for name, tensor in weights.items()}
