"""AutoNEB: a chain of models that relaxes to the lowest pass, with more links where the barrier needs them.

Draxler, Veschgini, Salmhofer & Hamprecht 2018, "Essentially No Barriers in Neural Network Energy Landscape"; Kolsbjerg, Groves & Hammer 2016, "An
automated nudged elastic band method". Pivots between the two models follow the gradient of their own loss, without its part along the chain, and keep
their spacing (explorer.methods.connect._elastic_band). It begins with few pivots on the segment. In cycles, pivots are put into the legs whose middle lies highest above the
straight line between its ends, and all sink again, until there are as many as `bends`. The epochs are shared evenly by the cycles; the rate falls to 0
in each. In contrast to `polychain`, which lowers the mean loss of all its points, this looks for the path of the lowest pass: at its highest pivot it
is at a saddle.

Needs labelled data of the train split. Every pivot sees every batch, so an epoch costs as many of plain training as there are pivots.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from math import ceil, cos, pi
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from explorer.checkpoints.weights import Weights, own_names
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.evaluator import inputs_for, network_like
from explorer.methods.connect._elastic_band import filled, legs_to_split, middles, perpendicular, shares, spaced, split, tangents
from explorer.problems.problem import Problem
from explorer.problems.reduced import mean_loss
from explorer.training.curve_training import TELL_S, State, TrainedCorners, batch_statistics, mean_of, straight, whole
from explorer.training.options import PathOptions

CHART = "polychain"
FIRST = 3  # pivots to begin with
JUDGED = 1024  # train samples on which the middles of legs are measured


def connect(
    ends: Sequence[Weights],
    problem: Problem,
    *,
    bends: Annotated[int, Range(1, 60)] = 7,
    how: PathOptions = PathOptions(),
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """The pivots after every epoch; while there are fewer than `bends`, the longest legs are split for the count. Refused when a loss diverges."""
    start = straight(ends, bends)
    network = batch_statistics(network_like(problem, ends[0], torch.device(device)))
    names, own = [name for name, _ in network.named_parameters()], own_names(network)
    shapes = {n: p.shape for n, p in network.named_parameters()}
    work = next(network.parameters()).dtype
    flat = [torch.cat([w[n].detach().reshape(-1).to(device, work) for n in names]) for w in ends]
    train = problem.split("train")
    inputs, targets = inputs_for(network, train.inputs, torch.device(device)), train.targets.to(device)
    each = problem.worth(targets)
    plan = cycles(bends, how.epochs)
    begin = resume.epoch if resume is not None else 0
    if resume is not None:
        elastic_band, speed, at = (resume.tensors[n].to(device) for n in ("band", "speed", "shares"))
    else:
        elastic_band = spaced(torch.stack(flat), torch.linspace(0, 1, plan[0][0] + 2, dtype=work, device=device))
        speed, at = torch.zeros_like(elastic_band[1:-1]), shares(elastic_band)
    parts, reported = ceil(len(targets) / how.batch), time.monotonic()

    def trained(epoch: int, loss: float) -> TrainedCorners:
        pivots = filled(elastic_band, bends + 2)[1:-1]
        corners = tuple(whole(_named(p, shapes), w, own) for p, w in zip(pivots, start, strict=True))
        tensors = {"band": elastic_band, "speed": speed, "shares": at}
        return TrainedCorners(corners, epoch, loss, State(epoch, {n: t.to("cpu", copy=True) for n, t in tensors.items()}, ""))

    if begin == how.epochs:  # it was left after its last epoch
        yield trained(begin, float("nan"))
    for epoch in range(begin, how.epochs):
        size, first, length = _cycle(plan, epoch)
        if epoch == first and epoch > 0:
            heights, between = (
                _heights(network, problem, points, shapes, inputs[:JUDGED], targets[:JUDGED]).tolist()
                for points in (elastic_band, middles(elastic_band))
            )
            while len(elastic_band) < size + 2:
                elastic_band = split(elastic_band, legs_to_split(heights, between, size + 2 - len(elastic_band)))
                if len(elastic_band) < size + 2:  # every leg was split once
                    heights, between = (
                        _heights(network, problem, p, shapes, inputs[:JUDGED], targets[:JUDGED]).tolist()
                        for p in (elastic_band, middles(elastic_band))
                    )
            speed, at = torch.zeros_like(elastic_band[1:-1]), shares(elastic_band)
        told_of: list[tuple[Tensor, float]] = []
        rng = np.random.default_rng((how.seed, epoch))
        for step, rows in enumerate(np.array_split(rng.permutation(len(targets)), parts)):
            where = torch.from_numpy(rows).to(device)
            first_end, last_end = _heights(network, problem, elastic_band[[0, -1]], shapes, inputs[where], targets[where]).to(elastic_band)
            found = [_at(network, problem, p, shapes, inputs[where], targets[where]) for p in elastic_band[1:-1]]
            losses = torch.stack([first_end, *(loss for loss, _ in found), last_end])
            downhill = -torch.stack([gradient for _, gradient in found]) - how.weight_decay * elastic_band[1:-1]
            force = perpendicular(downhill, tangents(elastic_band, losses))
            rate = how.lr * (1 + cos(pi * ((epoch - first) * parts + step) / (length * parts))) / 2
            speed = how.momentum * speed + force
            elastic_band = spaced(torch.cat([elastic_band[:1], elastic_band[1:-1] + rate * speed, elastic_band[-1:]]), at)
            told_of.append((losses[1:-1].mean(), len(rows) if each is None else float(each[where].sum())))
            if time.monotonic() - reported > TELL_S:
                reported = time.monotonic()
                progress(epoch * parts + step + 1, how.epochs * parts, f"epoch {epoch + 1} of {how.epochs}, {len(elastic_band) - 2} pivots")
        mean = mean_of(told_of)
        if not np.isfinite(mean) or not bool(torch.isfinite(elastic_band).all()):
            raise Refused(f"The chain diverged in epoch {epoch + 1}: its loss is no longer finite. Use a smaller lr than {how.lr:g}.")
        yield trained(epoch + 1, mean)
        progress(
            (epoch + 1) * parts,
            how.epochs * parts,
            f"epoch {epoch + 1} of {how.epochs}: mean training loss of {len(elastic_band) - 2} pivots {mean:.4g}",
        )


def cycles(bends: int, epochs: int) -> list[tuple[int, int]]:
    """(pivots, epochs) of every cycle: about twice as many pivots in each, up to `bends`; at least one epoch each, the last has the rest."""
    sizes = [min(FIRST, bends)]
    while sizes[-1] < bends:
        sizes.append(min(2 * sizes[-1] + 1, bends))
    sizes = sizes[-epochs:]
    each = epochs // len(sizes)
    return [(size, each) for size in sizes[:-1]] + [(bends, epochs - each * (len(sizes) - 1))]


def _cycle(plan: Sequence[tuple[int, int]], epoch: int) -> tuple[int, int, int]:
    """(pivots, first epoch, number of epochs) of the cycle that an epoch is in."""
    first = 0
    for size, length in plan:
        if epoch < first + length:
            return size, first, length
        first += length
    raise IndexError(epoch)


def _at(
    network: nn.Module, problem: Problem, point: Tensor, shapes: Mapping[str, torch.Size], inputs: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """(mean loss at a flat point on a batch, its flat gradient)."""
    leaf = point.detach().requires_grad_()
    with torch.enable_grad():
        loss = mean_loss(problem, functional_call(network, _named(leaf, shapes), (inputs,)), targets)
        (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


@torch.no_grad()
def _heights(network: nn.Module, problem: Problem, points: Tensor, shapes: Mapping[str, torch.Size], inputs: Tensor, targets: Tensor) -> Tensor:
    """(k,) the mean loss at each of (k, n) points."""
    return torch.stack([mean_loss(problem, functional_call(network, _named(p, shapes), (inputs,)), targets) for p in points])


def _named(flat: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Views of a flat vector, by parameter."""
    parts = flat.split([shape.numel() for shape in shapes.values()])
    return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
