"""Corners and mixing coefficients → metrics per block of samples: the one place where networks are evaluated.

On a CPU this loops over points and over chunks of samples (stacking weights is slower there), with the data resident and the
corners mixed straight into one network's tensors. Between the corners it takes the shortcuts of explorer.shortcuts, which change a loss by float
rounding only (less than 1e-6 of it). Memory, however many points: corners + one network + one chunk's activations + at most
256 MiB of what the first layer answers to the corners.

Batch norm. The running statistics of a mixture are not the mixture of the running statistics. By default they are
recalibrated at every interior point: reset, then the cumulative average over plain (not augmented) samples of the train
split, in train mode for these layers alone (that is the RESET of Jordan et al. 2023). With the policy `repair`, units that go
through no batch norm are corrected as well, on the same samples (explorer.repair). At a corner itself (one coefficient 1,
the others 0) the checkpoint's own weights and buffers stay, so that the ends of a picture are the checkpoints as they were saved.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)

from explorer import methods
from explorer.attack import attack as attacked
from explorer.errors import Refused
from explorer.points import Array
from explorer.problem import Problem
from explorer.repair import Repair
from explorer.shortcuts import Shortcuts, channels_go_last
from explorer.spec import Attack, Buffers, SplitName
from explorer.weights import Weights, mix

CHUNK = 128
RECALIBRATION_SAMPLES = 2048
KEPT_BYTES = 2**31  # of a reference model's answers


class Evaluate:
    """Coefficients of the corners → values of one point, in the shape the field stores. Loads everything once.

    `shape` of a value: (metrics, blocks) sums over each block; (classes, classes) for the metric `confusion`, rows true and
    columns predicted. `counts`: (blocks,) items per block (samples, or tokens for a language model). `recalibration`: how many train samples
    statistics are measured on. `attack`: the inputs are moved before they are measured, at every point anew; statistics are still those of plain ones.
    Under a loss that compares with a reference model, that is the first corner. `prepare`: work that all points share is done first; leave it out when only one or two points are wanted.
    """

    def __init__(
        self,
        problem: Problem,
        corners: Sequence[Mapping[str, Tensor]],
        *,
        split: SplitName = "test",
        samples: int = 0,
        blocks: int = 256,
        buffers: Buffers = "recalibrate",
        metrics: tuple[str, ...] = ("loss", "error"),
        attack: Attack | None = None,
        recalibration: int = RECALIBRATION_SAMPLES,
        prepare: bool = True,
        device: str = "cpu",
    ) -> None:
        self.corners = corners
        self.buffers: Buffers = buffers
        self.metrics = metrics
        self.attack = attack
        self.device = torch.device(device)
        self.network = network_like(problem, corners[0], self.device)
        self.problem = problem
        batch = problem.split(split)
        n = min(samples or len(batch.targets), len(batch.targets))
        self.inputs, self.targets = inputs_for(self.network, batch.inputs[:n], self.device), batch.targets[:n].to(self.device)
        images_last = attack is None and channels_go_last(self.network, self.inputs)
        if images_last:
            self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (a documented keyword that the stub leaves out)
            self.inputs = self.inputs.contiguous(memory_format=torch.channels_last)
        self.tensors = self.network.state_dict(keep_vars=True)
        wanted = has_batch_norm(self.network) or buffers == "repair"
        train = inputs_for(self.network, problem.split("train").inputs[:recalibration], self.device) if wanted else None
        if train is not None and images_last:
            train = train.contiguous(memory_format=torch.channels_last)
        self.train = train if has_batch_norm(self.network) else None
        self.repair = repair_towards(self.network, corners, train) if buffers == "repair" and train is not None else None
        blocks = min(blocks, n)
        self.block = torch.arange(n) % blocks  # the split's order is random already
        confusion = self.metrics == ("confusion",)
        if confusion and methods.targets_of(problem.spec.loss) != "classes":
            raise Refused(
                f"What is taken for what can be told of classes alone, and the loss here is {problem.spec.loss}. Choose the metrics loss, error."
            )
        if not confusion and (unknown := set(self.metrics) - {"loss", "error"}):
            raise Refused(f"There is no metric {sorted(unknown)[0]!r}. Metrics: loss, error; or confusion alone.")
        classes = len(problem.classes)
        self.shape = (classes, classes) if confusion else (len(self.metrics), blocks)
        # An adversary needs the plain network's gradients; REPAIR changes the first layer's weights, so its answers are no mixture.
        self.shortcuts = None if attack else Shortcuts(self.network, corners, self.inputs, shared=prepare and buffers != "repair")
        self.chunk = self.shortcuts.chunk if self.shortcuts else CHUNK
        if problem.against_reference:
            self.targets = self._reference()
        with torch.inference_mode():
            items = problem.losses(self.network(self.inputs[:1]), self.targets[:1]).shape[1]
        self.counts: Array = torch.bincount(self.block).numpy().astype(np.float64) * items

    def __call__(self, coefficients: Array) -> Array:
        """The values of the point Σ cᵢ·cornerᵢ."""
        settle(self.network, self.corners, coefficients, buffers=self.buffers, train=self.train, tensors=self.tensors, repair=self.repair)
        if self.attack:  # what inference mode makes, no gradient can go through
            with torch.no_grad():
                return self._values()
        with torch.inference_mode():
            if self.shortcuts is None or at_corner(coefficients):
                return self._values()
            with self.shortcuts.taken(coefficients):
                return self._values()

    @torch.no_grad()
    def alone(self, corner: int, *, recalibrated: bool = False) -> Array:
        """The values of one corner as a plain `load_state_dict` gives them, without mixing: what a point at the corner must equal.

        `recalibrated`: with its batch-norm statistics measured anew, as at interior points.
        """
        self.network.load_state_dict(dict(self.corners[corner]))
        if recalibrated and self.train is not None:
            recalibrate(self.network, self.train)
        return self._values()

    @torch.inference_mode()
    def _reference(self) -> Tensor:
        """(n, …) what the first corner answers to the plain inputs, as it is evaluated at its own place. Refused when it is more than may be kept."""
        self.network.load_state_dict(dict(self.corners[0]))
        found: list[Tensor] = []
        for rows in self._rows():
            if self.shortcuts is not None:
                self.shortcuts.rows = rows
            found.append(self.network(self.inputs[rows]))
            if (size := found[0][0].nbytes * len(self.inputs)) > KEPT_BYTES:
                raise Refused(
                    f"The reference model's answers to {len(self.inputs):,} samples take {size:,} bytes, more than the {KEPT_BYTES:,} that are kept."
                    f" Use at most {KEPT_BYTES // found[0][0].nbytes:,} samples."
                )
        return torch.cat(found)

    def _values(self) -> Array:
        return self._confusion() if self.metrics == ("confusion",) else self._sums()

    def _sums(self) -> Array:
        each = torch.empty((len(self.metrics), len(self.targets)), dtype=torch.float64, device=self.device)
        for rows, outputs in self._outputs():
            targets = self.targets[rows]
            for row, metric in enumerate(self.metrics):
                if metric == "loss":
                    items = self.problem.losses(outputs, targets).double()
                else:
                    items = self.problem.wrong(outputs, targets).double()
                    # A network that answers NaN has not answered: neither right nor wrong.
                    items[~torch.isfinite(outputs).flatten(1).all(dim=1)] = torch.nan
                each[row, rows] = items.sum(dim=1)
        return torch.zeros(self.shape, dtype=torch.float64).index_add_(1, self.block, each.cpu()).numpy()

    def _confusion(self) -> Array:
        classes = self.shape[0]
        counts = torch.zeros(classes * classes, dtype=torch.float64)
        for rows, outputs in self._outputs():
            if not torch.isfinite(outputs).all():
                return np.full(self.shape, np.nan)
            predicted, true = outputs.argmax(dim=-1).reshape(-1), self.targets[rows].reshape(-1)
            counts += torch.bincount((true * classes + predicted).cpu(), minlength=classes * classes)
        return counts.reshape(self.shape).numpy()

    def _outputs(self) -> Iterator[tuple[slice, Tensor]]:
        for rows in self._rows():
            if self.shortcuts is not None:
                self.shortcuts.rows = rows
            yield rows, self.network(self._seen(rows))

    def _rows(self) -> Iterator[slice]:
        return (slice(start, start + self.chunk) for start in range(0, len(self.inputs), self.chunk))

    def _seen(self, rows: slice) -> Tensor:
        """The inputs as the network gets them: as they are, or moved by the adversary."""
        inputs, targets = self.inputs[rows], self.targets[rows]
        if self.attack is None:
            return inputs

        def losses_of(x: Tensor) -> Tensor:
            return self.problem.losses(self.network(x), targets).flatten(1).mean(dim=1)

        return attacked(losses_of, inputs, self.attack.norm, self.attack.radius, self.attack.steps)


def at_corner(coefficients: Array) -> bool:
    """One coefficient 1, all others 0."""
    return np.count_nonzero(coefficients) == 1 and coefficients.sum() == 1.0


def device_for(wanted: str) -> str:
    """`auto` is the first CUDA device where there is one, else the CPU; anything else must be there. Refused when it is not."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise Refused(f"There is no device {wanted!r} here. Use cpu, or auto for the first GPU there is.") from error
    return wanted


def network_like(problem: Problem, weights: Mapping[str, Tensor], device: torch.device) -> nn.Module:
    """The problem's network on the device, in the precision its weights are computed in: float64 for float64, else float32."""
    double = any(t.dtype == torch.float64 for t in weights.values())
    return problem.network().to(device, torch.float64 if double else torch.float32).eval().requires_grad_(False)


def inputs_for(network: nn.Module, inputs: Tensor, device: torch.device) -> Tensor:
    """Inputs on the device, in the precision of the network where they are real numbers."""
    work = next(network.parameters()).dtype
    return inputs.to(device, work) if inputs.is_floating_point() else inputs.to(device)


def has_batch_norm(network: nn.Module) -> bool:
    """Whether some layer keeps running statistics."""
    return any(isinstance(m, _BatchNorm) and m.track_running_stats for m in network.modules())


@torch.no_grad()
def settle(
    network: nn.Module,
    corners: Sequence[Mapping[str, Tensor]],
    coefficients: Array,
    *,
    buffers: Buffers,
    train: Tensor | None,
    tensors: Mapping[str, Tensor] | None = None,
    repair: Repair | None = None,
) -> None:
    """Write Σ cᵢ·cornerᵢ into a network and give its batch-norm layers their statistics, by one of four policies.

    recalibrate: measured on `train` (n, …). mix: mixed like the weights; Refused outside the convex hull, because variances are
    never extrapolated. first: those of the first corner. repair: recalibrated, and units that no batch norm sees get the mixed mean and
    standard deviation of the corners' (`repair`). At a corner itself all keep the corner's own.
    """
    mix(corners, coefficients.tolist(), out=tensors or network.state_dict(keep_vars=True))
    if at_corner(coefficients):
        return
    if buffers == "repair":
        assert repair is not None
        repaired(network, coefficients, repair)
    if not has_batch_norm(network):
        return
    if buffers == "first":
        for name, buffer in network.named_buffers():
            buffer.copy_(corners[0][name])
    elif buffers == "mix":
        if coefficients.min() < 0 or coefficients.max() > 1:
            raise Refused("Running variances cannot be extrapolated: choose buffers='recalibrate' outside the span of the models.")
    else:
        assert train is not None
        recalibrate(network, train)


@torch.no_grad()
def recalibrate(network: nn.Module, inputs: Tensor) -> None:
    """Give every batch-norm layer the cumulative average of its batch statistics over the inputs; nothing else changes."""
    with _averaging(network):
        for batch in _batches(inputs):
            network(batch)


@torch.no_grad()
def with_own_statistics(weights: Weights, problem: Problem) -> Weights:
    """A model that was made by other means than training, its batch-norm statistics measured: at a corner of a picture they are taken as they are."""
    network = network_like(problem, weights, torch.device("cpu"))
    if not has_batch_norm(network):
        return weights
    network.load_state_dict(weights)
    recalibrate(network, inputs_for(network, problem.split("train").inputs[:RECALIBRATION_SAMPLES], torch.device("cpu")))
    state = network.state_dict()
    return {name: state[name].to(tensor.dtype) if name in dict(network.named_buffers()) else tensor for name, tensor in weights.items()}


def repair_towards(network: nn.Module, corners: Sequence[Mapping[str, Tensor]], inputs: Tensor) -> Repair:
    """The corners' unit statistics on the inputs (n, …), as the policy `repair` needs them. The network then holds the last corner."""
    return Repair(network, corners, _batches(inputs))


def repaired(network: nn.Module, coefficients: Array, repair: Repair) -> None:
    """Correct the units of a network that holds Σ cᵢ·cornerᵢ; its batch norms see their batches' statistics, as in recalibration, which must follow."""
    with _averaging(network):
        repair(network, coefficients)


def _batches(inputs: Tensor) -> tuple[Tensor, ...]:
    """Batches of about equal size, none so small that its variance is meaningless."""
    return torch.chunk(inputs, max(1, round(len(inputs) / (2 * CHUNK))))


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
