"""Bridge: the output of a second network, predicted from what the first one has computed already: an ensemble of two for little more than one.

Yun, Lee, Nam & Lee 2023, "Traversing Between Modes in Function Space for Fast Ensembling" (type I: features of one mode). φ(r) is a point of a curve
with a low loss that begins in A. A small head s reads the features z of A, which are the input of the network's last linear layer, and minimises

    E_x KL(p(· | x, φ(r)) ‖ softmax s(z(x))),    x mixed up: λ·x₁ + (1 − λ)·x₂, λ ~ Beta(mixup, mixup) (Zhang et al. 2018).

Between samples the two networks differ where on the samples both may be certain, and mixing shows the head such places. The ensemble's answer is
(p_A + p_s)/2: one pass through A, none through φ(r). Needs inputs of the train split, no labels.

s(z) = W z + b + V·relu(U z + c). W, b begin as A's own last layer and V as 0, so that the head begins as a copy of A's output. The paper's head is
one or several residual blocks that read an earlier layer. Ours fits every network that ends in a linear layer, but can only tell apart what is still
apart in z: the answer of φ(r) is not a function of z, and some of their difference is out of reach. How much is seen from the divergence on held-out
samples, against that of A itself and of A at the best temperature: much of what lies between A and φ(r) can be no more than that one is less certain.
And where φ(r) is worse than A, so may be the ensemble that the bridge stands for. A low divergence does not say that the bridge improves A;
`Judged.bridged` against `Judged.alone` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, cos, log, pi
from typing import Annotated, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from explorer.checkpoints.weights import Weights, compatible, gram
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import SplitName
from explorer.evaluate.batch_norm import has_batch_norm
from explorer.evaluate.evaluator import CHUNK, RECALIBRATION_SAMPLES, network_like, write_mixture
from explorer.evaluate.weighted_layers import axes_of
from explorer.problems.problem import Problem
from explorer.stats.arc_length import ChartFunction

FITTED = 512  # train samples that the temperature of the comparison is fitted on
TELL_S = 0.5  # seconds between two tellings of progress within an epoch


@dataclass(frozen=True)
class Bridge:
    """A trained head. d features, c classes, h hidden units (h may be 0: then it is linear).

    layer: the network's last linear layer, whose input it reads. w (c, d), b (c,), u (h, d), c (h,), v (c, h): as in the formula above.
    losses: the mean divergence of every epoch, in nats, on the inputs it was trained on.
    """

    layer: str
    w: Tensor
    b: Tensor
    u: Tensor
    c: Tensor
    v: Tensor
    losses: tuple[float, ...] = field(default=(), kw_only=True)

    def logits(self, features: Tensor) -> Tensor:
        """(…, d) → (…, c)."""
        hidden = functional.relu(functional.linear(features, self.u, self.c))
        return functional.linear(features, self.w, self.b) + functional.linear(hidden, self.v)


@dataclass(frozen=True)
class Judged:
    """What a bridge is worth on a split: four answers with their loss and error, and three divergences, in the same blocks as `Evaluate` cuts.

    alone: A. target: φ(r). ensemble: the mean of both. bridged: the mean of A and the bridge.
    divergence: KL(φ(r) ‖ bridge), in nats, one metric. copied: KL(φ(r) ‖ A), what a bridge would have that only repeats A. tempered: the same with
    A's outputs divided by the one temperature that is best on the train split, what a bridge would have that is only less certain, or more.
    cost: multiplications of the head over those of the network, for one sample; the ensemble costs 1 more than A, the bridge costs this.
    """

    alone: Points
    target: Points
    ensemble: Points
    bridged: Points
    divergence: Points
    copied: Points
    tempered: Points
    cost: float


def bridge(
    problem: Problem,
    a: Weights,
    target: Weights,
    *,
    hidden: Annotated[int, Range(0, 65536)] = 32,
    epochs: Annotated[int, Range(1, 10000)] = 60,
    lr: Annotated[float, Range(0, 10)] = 0.01,
    batch: Annotated[int, Range(1, 1048576)] = 128,
    mixup: Annotated[float, Range(0, 100)] = 0.4,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Bridge:
    """Train a head on A's features to answer as `target` does: by Adam, the rate along a half cosine. mixup 0: plain inputs.

    Refused for a regression, for a network that does not end in a linear layer, and for mixed tokens.
    """
    _classifies(problem)
    compatible([a, target], ["the model", "the target"])
    inputs = problem.split("train").inputs.to(device)
    if mixup and not inputs.is_floating_point():
        raise Refused("Mixup mixes inputs, and these are tokens, which cannot be mixed. Use mixup = 0.")
    student, teacher = (_loaded(problem, w, device) for w in (a, target))
    layer = last_linear(student, inputs[:1])
    w, b = _affine(student.get_submodule(layer))
    classes, features = w.shape
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(hidden, features, generator=generator, dtype=torch.float64) * (2 / features) ** 0.5
    parts = [w.clone(), b.clone(), u.to(w), w.new_zeros(hidden), w.new_zeros(classes, hidden)]
    head = [part.requires_grad_() for part in parts]
    optimizer = torch.optim.Adam(head, lr=lr)
    rng = np.random.default_rng(seed)
    steps, step, reported = epochs * ceil(len(inputs) / batch), 0, time.monotonic()
    losses: list[float] = []
    for epoch in range(epochs):
        total = 0.0
        for rows in np.array_split(rng.permutation(len(inputs)), ceil(len(inputs) / batch)):
            seen = _mixed(inputs[torch.from_numpy(rows).to(device)], mixup, rng)
            with torch.no_grad():
                wanted = teacher(seen).log_softmax(dim=-1)
                _, z = _pass(student, layer, seen)
            optimizer.param_groups[0]["lr"] = lr * (1 + cos(pi * step / steps)) / 2
            with torch.enable_grad():
                loss = _divergence(wanted, Bridge(layer, *head).logits(z).log_softmax(dim=-1)).mean()
                gradients = torch.autograd.grad(loss, head)
            for part, gradient in zip(head, gradients, strict=True):
                part.grad = gradient
            optimizer.step()
            total += float(loss.detach()) * len(rows)
            step += 1
            if time.monotonic() - reported > TELL_S:
                reported = time.monotonic()
                progress(step, steps, f"epoch {epoch + 1} of {epochs}")
        losses.append(total / len(inputs))
        if not np.isfinite(losses[-1]):
            raise Refused(f"The bridge diverged in epoch {epoch + 1}: its loss is no longer finite. Use a smaller lr than {lr:g}.")
        progress(step, steps, f"epoch {epoch + 1} of {epochs}: mean divergence {losses[-1]:.4g}")
    return Bridge(layer, *(part.detach().cpu() for part in head), losses=tuple(losses))


@torch.no_grad()
def predict(problem: Problem, made: Bridge, a: Weights, inputs: Tensor, *, device: str = "cpu") -> Tensor:
    """(n, …, c) probabilities of the ensemble, (p_A + p_s)/2, by one pass through A."""
    network, head = _loaded(problem, a, device), _on(made, device)
    found: list[Tensor] = []
    for rows in _chunks(len(inputs)):
        outputs, z = _pass(network, head.layer, inputs[rows].to(device))
        found.append((outputs.softmax(dim=-1) + head.logits(z).softmax(dim=-1)).cpu() / 2)
    return torch.cat(found)


@torch.no_grad()
def judge(
    problem: Problem, made: Bridge, a: Weights, target: Weights, *, split: SplitName = "test", blocks: int = 256, device: str = "cpu"
) -> Judged:
    """The bridge beside what it stands for, on a split it was not trained on; `statistics.difference` of any two is paired."""
    _classifies(problem)
    first, second, head = _loaded(problem, a, device), _loaded(problem, target, device), _on(made, device)
    sharpness = 1 / _temperature(first, second, problem.split("train").inputs[:FITTED].to(device))
    samples = problem.split(split)
    n = len(samples.targets)
    block = torch.arange(n) % min(blocks, n)
    sums: dict[str, Tensor] = {}
    items = 0

    def add(name: str, rows: slice, *values: Tensor) -> None:
        into = sums.setdefault(name, torch.zeros(len(values), min(blocks, n), dtype=torch.float64))
        for row, value in zip(into, values, strict=True):
            row.index_add_(0, block[rows], value.cpu().double().reshape(rows.stop - rows.start, -1).sum(dim=1))

    for rows in _chunks(n):
        inputs, targets = samples.inputs[rows].to(device), samples.targets[rows].to(device)
        outputs, z = _pass(first, head.layer, inputs)
        one, two, guess = (o.log_softmax(dim=-1) for o in (outputs, second(inputs), head.logits(z)))
        for name, answer in (("alone", one), ("target", two), ("ensemble", _mean(one, two)), ("bridged", _mean(one, guess))):
            wrong = problem.wrong(answer, targets).cpu().double()
            wrong[~torch.isfinite(answer).flatten(1).all(dim=1).cpu()] = torch.nan  # as in Evaluate: no answer is neither right nor wrong
            loss = problem.losses(answer, targets)
            items = loss.shape[1]
            add(name, rows, loss, wrong)
        add("divergence", rows, _divergence(two, guess))
        add("copied", rows, _divergence(two, one))
        add("tempered", rows, _divergence(two, (sharpness * outputs).log_softmax(dim=-1)))
    counts: Array = torch.bincount(block).numpy().astype(np.float64) * items
    points = {name: Points(np.zeros((1, 1)), s.numpy()[None], counts) for name, s in sums.items()}
    return Judged(**points, cost=cost(problem, made, a))


@torch.no_grad()
def cost(problem: Problem, made: Bridge, a: Weights) -> float:
    """Multiplications of the head over those of the network, for one sample, as both are counted while they run."""
    network, inputs = _loaded(problem, a, "cpu"), problem.split("train").inputs[:1]
    with FlopCounterMode(display=False) as whole:
        _, z = _pass(network, made.layer, inputs)
    with FlopCounterMode(display=False) as head:
        made.logits(z)
    return head.get_total_flops() / whole.get_total_flops()


def point(problem: Problem, corners: Sequence[Weights], chart: str, *, r: float = 0.5, device: str = "cpu") -> Weights:
    """φ(r) of a curve: what a bridge stands for. In the corners' dtypes, the batch-norm statistics re-estimated as in a picture."""
    network = network_like(problem, corners[0], torch.device(device))
    place = cast("ChartFunction", registry.find("chart", chart))
    coefficients = place(np.array([[r]]), gram(corners, [name for name, _ in network.named_parameters()]))[0]
    train = problem.split("train").inputs[:RECALIBRATION_SAMPLES].to(device) if has_batch_norm(network) else None
    write_mixture(network, corners, coefficients, buffers="recalibrate", train=train)
    return {name: t.detach().to("cpu", corners[0][name].dtype, copy=True) for name, t in network.state_dict().items()}


@torch.no_grad()
def last_linear(network: nn.Module, inputs: Tensor) -> str:
    """Name of the linear layer whose output is the network's. Refused when there is none: something else comes last."""
    called: list[tuple[str, Tensor]] = []

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, given: object, output: Tensor) -> None:
            called.append((name, output))

        return hook

    linear = [(n, m) for n, m in network.named_modules() if (axes := axes_of(m)) is not None and axes.data == -1]
    hooks = [m.register_forward_hook(note(n)) for n, m in linear]
    try:
        outputs = cast("Tensor", network(inputs))
    finally:
        for hook in hooks:
            hook.remove()
    if not called or not torch.equal(called[-1][1].flatten(), outputs.flatten()):
        last = f"its last linear layer is '{called[-1][0]}', and another operation follows it" if called else "it has no linear layer"
        raise Refused(
            f"A bridge reads the input of the linear layer that a network ends in; in this network, {last}. Choose one that ends in a linear layer."
        )
    return called[-1][0]


def _classifies(problem: Problem) -> None:
    if problem.spec.loss != "cross_entropy":
        raise Refused(
            f"A bridge predicts probabilities of classes, and the loss of this problem is {problem.spec.loss}. Choose one with cross_entropy."
        )


def _loaded(problem: Problem, weights: Mapping[str, Tensor], device: str) -> nn.Module:
    network = network_like(problem, weights, torch.device(device))
    network.load_state_dict(dict(weights))
    return network


def _on(made: Bridge, device: str) -> Bridge:
    return Bridge(made.layer, *(t.to(device) for t in (made.w, made.b, made.u, made.c, made.v)))


def _affine(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """(c, d) weight and (c,) bias of a linear layer."""
    axes, weight = axes_of(layer), cast("Tensor", layer.weight)
    weight = (weight if axes is not None and axes.outputs == 0 else weight.T).detach()
    bias = cast("Tensor | None", layer.bias)
    return weight, weight.new_zeros(len(weight)) if bias is None else bias.detach()


def _pass(network: nn.Module, layer: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """(the network's output, what went into the layer on the way there)."""
    seen: list[Tensor] = []

    def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen.append(given[0])

    hook = network.get_submodule(layer).register_forward_pre_hook(note)
    try:
        return cast("Tensor", network(inputs)), seen[-1]
    finally:
        hook.remove()


def _temperature(first: nn.Module, second: nn.Module, inputs: Tensor) -> float:
    """The number that the first network's outputs are divided by to come nearest to the second's probabilities."""
    pairs = [(first(inputs[rows]), second(inputs[rows]).log_softmax(dim=-1)) for rows in _chunks(len(inputs))]
    outputs, wanted = (torch.cat(side) for side in zip(*pairs, strict=True))
    found = np.geomspace(1 / 20, 20, 200)
    return float(min(found, key=lambda t: float(_divergence(wanted, (outputs / t).log_softmax(dim=-1)).mean())))


def _mixed(inputs: Tensor, mixup: float, rng: np.random.Generator) -> Tensor:
    """The inputs, each mixed with another one by one weight for the batch."""
    if not mixup:
        return inputs
    λ, other = float(rng.beta(mixup, mixup)), torch.from_numpy(rng.permutation(len(inputs))).to(inputs.device)
    return λ * inputs + (1 - λ) * inputs[other]


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """(…, c) logarithms of probabilities → (…) KL(p ‖ q) in nats."""
    return (p.exp() * (p - q)).sum(dim=-1)


def _mean(p: Tensor, q: Tensor) -> Tensor:
    """The logarithm of the mean of two probabilities, from their logarithms."""
    return torch.logaddexp(p, q) - log(2)


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))
