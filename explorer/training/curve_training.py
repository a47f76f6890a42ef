"""Training what lies between fixed ends, a path or a simplex: minimise E_c [L(Σ cᵢ·cornerᵢ)] over the corners between them.

At every batch coefficients c are drawn, the network is evaluated at the point Σ cᵢ·cornerᵢ, and the gradient g with respect to that point gives the
corner i the gradient cᵢ·(g + λ·point): weight decay λ acts on the point, as it would on a network standing there. On a path a t is drawn and the
coefficients are those of a chart, so any chart with t = 0 and t = 1 at its first and last corner can be trained. The ends are never written to. Layers
are not replaced: any network works.

Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs".
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, cos, pi
from typing import Literal, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)

from explorer.checkpoints.weights import Weights, compatible, gram, mix, own_names
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.evaluate.evaluator import inputs_for, network_like
from explorer.problems.problem import Problem
from explorer.problems.reduced import mean_loss, sample_losses
from explorer.stats import arc_length
from explorer.stats.arc_length import ChartFunction
from explorer.training.options import CurveOptions, PathOptions

TELL_S = 0.5  # seconds between two tellings of progress within an epoch

Perturb: TypeAlias = Callable[[Callable[[Tensor], Tensor], Tensor], Sequence[Tensor]]
"""((n,) losses of given inputs at the present point, inputs) → the inputs to train on, once or several times over: the mean of their losses counts."""

Draw: TypeAlias = Callable[[np.random.Generator, Array], Array]
"""(generator, the corners' (C, C) Gram matrix at the beginning of the epoch) → (C,) coefficients of a point to train at."""

Pull: TypeAlias = Callable[[Array], Array]
"""The corners' present (C, C) Gram matrix → (C, C): row i holds, as coefficients of the corners, the gradient for corner i of a term added to the loss."""


@dataclass(frozen=True)
class State:
    """Where a training stands after an epoch: what it takes to go on as if it had never been left. `generator`: the random generator's state as JSON.

    Of the training of networks (explorer.training.resumable) `epoch` counts the snapshots.
    """

    epoch: int
    tensors: Weights
    generator: str


@dataclass(frozen=True)
class TrainedCorners:
    """The corners between the ends after some epochs, the mean training loss of the last one, and the state to go on from where that can be done.

    Running statistics of batch norm are those the corners began with: re-estimate them before a corner is judged by itself.
    """

    corners: tuple[Weights, ...]
    epoch: int
    loss: float
    state: State | None = None


def straight(ends: Sequence[Weights], bends: int) -> list[Weights]:
    """`bends` corners evenly spaced on the segment: where a path begins that has not been trained. Refused when the ends are of different shapes."""
    compatible(ends, ["the first end", "the second end"])
    return [mix(ends, (1 - k / (bends + 1), k / (bends + 1))) for k in range(1, bends + 1)]


def train_along(
    chart: str,
    ends: Sequence[Weights],
    problem: Problem,
    start: Sequence[Weights],
    how: CurveOptions,
    *,
    perturb: Perturb | None = None,
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """train_path on a chart by its name."""
    place = cast("ChartFunction", registry.find("chart", chart))
    return train_path(ends, problem, place, start, how, perturb=perturb, device=device, progress=progress, resume=resume)


def train_path(
    ends: Sequence[Weights],
    problem: Problem,
    place: ChartFunction,
    start: Sequence[Weights],
    how: CurveOptions,
    *,
    perturb: Perturb | None = None,
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """The path after every epoch. Refused when the ends are of different shapes or the loss stops being finite."""

    def draw(rng: np.random.Generator, inner: Array) -> Array:
        return place(np.array([[_draw(rng, place, inner, how.sampling)]]), inner)[0]

    return train_corners(ends, problem, draw, start, how, perturb=perturb, device=device, progress=progress, resume=resume)


def train_corners(
    ends: Sequence[Weights],
    problem: Problem,
    draw: Draw,
    start: Sequence[Weights],
    how: PathOptions,
    *,
    perturb: Perturb | None = None,
    pull: Pull | None = None,
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """The corners between the ends after every epoch, trained at points drawn by `draw`.

    `resume`: the state of an earlier training with the same arguments; what follows is then, to the bit, what would have followed there.
    """
    a, b = ends
    compatible([a, b, *start], ["the first end", "the second end", *(f"bend {k + 1}" for k in range(len(start)))])
    network = batch_statistics(network_like(problem, a, torch.device(device)))
    parameters, own = [name for name, _ in network.named_parameters()], own_names(network)
    work = next(network.parameters()).dtype
    corners = [{n: w[n].detach().to(device, work, copy=True) for n in parameters} for w in (a, *start, b)]
    speed = [{n: torch.zeros_like(t) for n, t in c.items()} for c in corners[1:-1]]
    train = problem.split("train")
    inputs, targets = inputs_for(network, train.inputs, torch.device(device)), train.targets.to(device)
    each = problem.worth(train.targets)
    rng = np.random.default_rng(how.seed)
    if resume is not None:
        rng.bit_generator.state = json.loads(resume.generator)
        for name, tensor in _named(corners[1:-1], speed).items():
            tensor.copy_(resume.tensors[name])
    parts = ceil(len(targets) / how.batch)
    begin = resume.epoch if resume is not None else 0
    steps, step, reported = how.epochs * parts, begin * parts, time.monotonic()
    if resume is not None and begin == how.epochs:  # it was left after its last epoch
        yield TrainedCorners(tuple(whole(c, w, own) for c, w in zip(corners[1:-1], start, strict=True)), begin, float("nan"), resume)
    for epoch in range(begin, how.epochs):
        inner = gram(corners, parameters)
        losses: list[tuple[Tensor, float]] = []
        for rows in np.array_split(rng.permutation(len(targets)), parts):
            coefficients = draw(rng, inner)
            where = torch.from_numpy(rows).to(device)
            loss, gradient, point = _at(network, problem, corners, coefficients, inputs[where], targets[where], perturb)
            rate = how.lr * (1 + cos(pi * step / steps)) / 2
            pulls = pull(gram(corners, parameters))[1:-1].tolist() if pull else []
            for c, v in zip(coefficients[1:-1].tolist(), speed, strict=True):
                for n in parameters:
                    v[n].mul_(how.momentum).add_(gradient[n] + how.weight_decay * point[n], alpha=c)
            for row, v in zip(pulls, speed, strict=bool(pull)):
                for n, more in mix([{n: corner[n] for n in parameters} for corner in corners], row).items():
                    v[n].add_(more)
            for corner, v in zip(corners[1:-1], speed, strict=True):
                for n in parameters:
                    corner[n].sub_(v[n], alpha=rate)
            losses.append((loss, len(rows) if each is None else float(each[rows].sum())))
            step += 1
            if time.monotonic() - reported > TELL_S:
                reported = time.monotonic()
                progress(step, steps, f"epoch {epoch + 1} of {how.epochs}")
        mean = mean_of(losses)
        if not np.isfinite(mean):
            raise Refused(f"The path diverged in epoch {epoch + 1}: its loss is no longer finite. Use a smaller lr than {how.lr:g}.")
        tensors = {n: t.to("cpu", copy=True) for n, t in _named(corners[1:-1], speed).items()}
        state = State(epoch + 1, tensors, json.dumps(rng.bit_generator.state))
        yield TrainedCorners(tuple(whole(c, w, own) for c, w in zip(corners[1:-1], start, strict=True)), epoch + 1, mean, state)
        progress(step, steps, f"epoch {epoch + 1} of {how.epochs}: mean training loss on the path {mean:.4g}")


def mean_of(losses: Sequence[tuple[Tensor, float]]) -> float:
    """The mean of batches' losses, each with what it is worth, such as its number of samples: the host waits for the device here, not at every step."""
    values = torch.stack([loss for loss, _ in losses]).tolist()
    return sum(value * count for value, (_, count) in zip(values, losses, strict=True)) / sum(count for _, count in losses)


def _named(corners: Sequence[Weights], speeds: Sequence[Weights]) -> Weights:
    """All tensors that training changes, under names of their own."""
    return {f"{kind}.{i}.{n}": t for kind, many in (("corner", corners), ("speed", speeds)) for i, w in enumerate(many) for n, t in w.items()}


def batch_statistics(network: torch.nn.Module) -> torch.nn.Module:
    """The network with batch norms that use the statistics of their batch, a mixture's own; what the running ones become is of no use to anybody."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return network


def _at(
    network: torch.nn.Module,
    problem: Problem,
    corners: Sequence[Mapping[str, Tensor]],
    coefficients: Array,
    inputs: Tensor,
    targets: Tensor,
    perturb: Perturb | None,
) -> tuple[Tensor, dict[str, Tensor], Weights]:
    """(loss at Σ cᵢ·cornerᵢ on a batch, its gradient there, the point itself)."""
    point = {n: t.requires_grad_() for n, t in mix(corners, coefficients.tolist()).items()}

    def losses_of(x: Tensor) -> Tensor:
        return sample_losses(problem, functional_call(network, point, (x,)), targets)

    seen = [inputs] if perturb is None else perturb(losses_of, inputs)
    loss = torch.stack([mean_loss(problem, functional_call(network, point, (x,)), targets) for x in seen]).mean()
    gradient = torch.autograd.grad(loss, list(point.values()), materialize_grads=True)
    return loss.detach(), dict(zip(point, gradient, strict=True)), {n: t.detach() for n, t in point.items()}


def _draw(rng: np.random.Generator, place: ChartFunction, inner: Array, sampling: Literal["uniform", "arc_length"]) -> float:
    u = float(rng.random())
    if sampling == "uniform":
        return u
    t = np.linspace(0.0, 1.0, arc_length.STEPS + 1)
    length = arc_length.lengths(place, inner, t)
    return float(np.interp(u * length[-1], length, t)) if length[-1] > 0 else u


def whole(corner: Mapping[str, Tensor], like: Weights, own: Mapping[str, str]) -> Weights:
    """A trained corner under all names of its parameters (`own`: weights.own_names), with all that is not trained (buffers) as it was in the beginning,
    in the checkpoint's own dtype."""
    return {n: corner[own[n]].detach().to("cpu", t.dtype, copy=True) if n in own else t for n, t in like.items()}
