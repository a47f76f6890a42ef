"""Running statistics of a mixture: re-estimated, because they are not the mixture of running statistics (explorer.evaluate.evaluator says when)."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)

from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.evaluate.repair import Repair

BATCH = 256  # samples whose statistics are averaged


def has_batch_norm(network: nn.Module) -> bool:
    """Whether some layer keeps running statistics."""
    return any(isinstance(m, _BatchNorm) and m.track_running_stats for m in network.modules())


def within_hull(network: nn.Module, coefficients: Array) -> None:
    """Refused where running variances would have to be extrapolated."""
    if has_batch_norm(network) and (coefficients.min() < 0 or coefficients.max() > 1):
        raise Refused("Running variances cannot be extrapolated: choose buffers='recalibrate' outside the span of the models.")


@torch.no_grad()
def recalibrate(network: nn.Module, inputs: Tensor) -> None:
    """Give every batch-norm layer the cumulative average of its batch statistics over the inputs; nothing else changes. Refused for a lone value."""
    with _averaging(network), _counted(network):
        for batch in batches_of(inputs):
            try:
                network(batch)
            except ValueError as error:
                if len(batch) > 1:
                    raise
                raise Refused(
                    "Batch-norm statistics are measured on the train split, and there is one sample in it, which has no variance. Give the train split more"
                    " samples, under [split] in problem.toml or by train=."
                ) from error


def repair_towards(network: nn.Module, corners: Sequence[Mapping[str, Tensor]], inputs: Tensor) -> Repair:
    """The corners' unit statistics on the inputs (n, …), as the policy `repair` needs them. The network then holds the last corner."""
    return Repair(network, corners, batches_of(inputs))


def repaired(network: nn.Module, coefficients: Array, repair: Repair) -> None:
    """Correct the units of a network that holds Σ cᵢ·cornerᵢ; its batch norms see their batches' statistics, as in recalibration, which must follow."""
    with _averaging(network):
        repair(network, coefficients)


def batches_of(inputs: Tensor) -> tuple[Tensor, ...]:
    """Batches of about equal size, none so small that its variance is meaningless."""
    return torch.chunk(inputs, max(1, round(len(inputs) / BATCH)))


@contextmanager
def _counted(network: nn.Module) -> Generator[None, None, None]:
    """Within: the k-th batch counts 1/k, as it does for a momentum of None, but without asking the device which one it is."""

    def hook(norm: nn.Module, given: object, *, batches: Iterator[int]) -> None:
        assert isinstance(norm, _BatchNorm)
        norm.momentum = 1 / next(batches)

    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    handles = [m.register_forward_pre_hook(partial(hook, batches=count(1))) for m in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _averaging(network: nn.Module) -> Generator[None, None, None]:
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
        m.train()
    try:
        yield
    finally:
        for m, momentum in zip(norms, momenta, strict=True):
            m.momentum = momentum
            m.eval()
