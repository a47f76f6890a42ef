"""The same outputs with less arithmetic, for a network that is evaluated at many mixtures of the same corners on the same inputs.

Four savings, each exact in real arithmetic:

- Chunks of samples whose largest activation is at most 4 MiB (`LARGEST`), so that it stays in the cache; on a GPU as many as fill it.
- Where activations are that large, images lie in memory with their channels last; on a GPU where a trial shows it to be faster.
- A batch norm in eval mode right behind a convolution or a linear layer is folded into it: W′ = W·γ/√(σ²+ε), b′ = β + (b − μ)·γ/√(σ²+ε).
- The first layer with weights, when it is affine, is linear in its weights: W(c)x + b(c) = Σ cᵢ·(Wᵢx + bᵢ). What it answers is worked out once
  for every corner, if that takes at most 256 MiB (`SHARED`) and multiplies clearly more than adding up the answers does.

Which of them are used on a CPU follows from shapes alone, never from a clock, so that a point has the same value in whichever process it is measured. They are
tried against the plain network at one random mixture, and left out where the two differ by more than float rounding (networks whose layers see
each other in ways that are not found here, reparametrised weights, corners that are not finite).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)

from explorer.checkpoints.weights import mix
from explorer.core.points import Array
from explorer.evaluate.devices import clocked, halved, in_memory

CHUNKS = (1024, 512, 256, 128, 64)
LARGEST = 4 * 2**20  # bytes of one activation of a chunk
GPU_CHUNKS = (8192, 4096, 2048, *CHUNKS)
GPU_LARGEST = 256 * 2**20
FEWER = (32, 16, 8, 4, 2, 1)
VAST = 512 * 2**20  # bytes of one activation, as of the logits of a language model, that no chunk of several samples makes
BIG = LARGEST // 128  # bytes of one sample's largest activation from which on channels go last
TRIED = 256  # samples on which a GPU tries both
SHARED = 256 * 2**20  # bytes of all corners' first answers
WORTH = 16  # multiplications saved for each addition that is made instead
ROUNDING = 1e-5  # of the outputs' norm: by so much may two orders of the same float32 operations differ

Affine = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Call(NamedTuple):
    """One call of a layer without parts: what went in and what came out."""

    layer: nn.Module
    given: object
    answer: object


class _Reached(Exception):
    """The first layer has answered; nothing after it is needed."""


@torch.no_grad()
def calls(network: nn.Module, inputs: Tensor) -> list[Call]:
    """Every call of a layer that has no parts, in order, for a few inputs."""
    found: list[Call] = []

    def called(layer: nn.Module, given: tuple[object, ...], answer: object) -> None:
        found.append(Call(layer, given[0] if given else None, answer))

    handles = [m.register_forward_hook(called) for m in network.modules() if not any(True for _ in m.children())]
    try:
        network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def largest_activation(made: Iterable[Call], samples: int) -> float:
    """Bytes of the largest answer of a layer, for one sample."""
    return max((c.answer.nbytes for c in made if isinstance(c.answer, Tensor)), default=1) / samples


def chunk_for(made: Iterable[Call], samples: int, *, gpu: bool = False) -> int:
    """How many samples go through the network at once."""
    each = largest_activation(made, samples)
    chunks, largest = (GPU_CHUNKS, GPU_LARGEST) if gpu else (CHUNKS, LARGEST)
    if (found := next((chunk for chunk in chunks if chunk * each <= largest), None)) is not None:
        return found
    return next((chunk for chunk in (chunks[-1], *FEWER) if chunk * each <= VAST), 1)


@torch.no_grad()
def channels_go_last(network: nn.Module, inputs: Tensor) -> bool:
    """Whether this network's images are large enough for it to pay, and its layers can take them so. The network is left as it was."""
    if inputs.dim() != 4 or not any(isinstance(m, nn.Conv2d) for m in network.modules()):
        return False
    few = inputs[:TRIED] if inputs.is_cuda else inputs[:2]
    if not inputs.is_cuda and largest_activation(calls(network, few), len(few)) < BIG:
        return False
    before = network(few)
    seconds = clocked(lambda: network(few), few.device) if few.is_cuda else 0.0
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (a documented keyword that the stub leaves out)
    try:
        last = few.contiguous(memory_format=torch.channels_last)
        return close(network(last), before) and not (few.is_cuda and clocked(lambda: network(last), few.device) > seconds)
    except RuntimeError:  # such as a view that needs the channels first
        return False
    finally:
        network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]


def close(a: Tensor, b: Tensor) -> bool:
    """Equal but for rounding."""
    return bool((a - b).norm() <= ROUNDING * b.norm())


class Shortcuts:
    """Layers of one network that answer faster while `taken`; outside of that the network is as it was.

    `inputs` (n, …): all that will be asked, in this order. `shared`: whether the first layer's answers may be worked out for every corner.
    The network is left with some mixture of the corners.
    """

    def __init__(self, network: nn.Module, corners: Sequence[Mapping[str, Tensor]], inputs: Tensor, *, shared: bool) -> None:
        self.network = network
        self.folded: list[tuple[nn.Module, _BatchNorm]] = []
        self.first: nn.Module | None = None
        self.answers = torch.empty(0)  # (C, n, …)
        self.rows = slice(0, 0)
        made = calls(network, inputs[:2])
        self.each = largest_activation(made, len(inputs[:2]))
        self.chunk = chunk_for(made, len(inputs[:2]), gpu=inputs.is_cuda)
        in_memory(lambda: self._set_up(made, corners, inputs, shared), self._halve, inputs.device)

    def _halve(self) -> int:
        left = halved(self.chunk)
        self.chunk = left or 1
        return left

    def _set_up(self, made: Sequence[Call], corners: Sequence[Mapping[str, Tensor]], inputs: Tensor, shared: bool) -> None:
        first = _first(self.network, made, len(corners)) if shared and len(corners) > 1 else None
        if first is not None and _bytes(made, first, len(inputs)) * len(corners) <= SHARED:
            self.first = first
            self.answers = self._answers(corners, inputs)
        self.folded = _pairs(made, self.first)
        if (self.first is not None or self.folded) and not self._right(corners, inputs[: self.chunk]):
            self.first, self.answers, self.folded = None, torch.empty(0), []

    def mixtures(self, shares: Tensor, rows: slice) -> Tensor:
        """The first layer's answers at many mixtures, (K, n, …), for some of the inputs. shares: (K, C) on the device."""
        return torch.tensordot(shares, self.answers[:, rows], dims=1)

    @property
    def spared(self) -> str:
        """The name of the weight that the network does not use while these are taken; empty where it uses all."""
        if self.first is None:
            return ""
        return next(name for name, p in self.network.state_dict(keep_vars=True).items() if p is self.first.weight)

    @contextmanager
    def taken(self, coefficients: Array | Tensor) -> Generator[None, None, None]:
        """Within: the network, which holds Σ cᵢ·cornerᵢ and its settled statistics, answers for the inputs' `rows` only.

        Coefficients that lie on the device are never looked at from here.
        """
        changed: list[nn.Module] = []
        try:
            for layer, norm in self.folded:
                changed += [layer, norm]
                layer.forward, norm.forward = _fold(layer, norm), _same
            if self.first is not None:
                changed.append(self.first)
                self.first.forward = self._mixed(coefficients)
            yield
        finally:
            for layer in changed:
                layer.__dict__.pop("forward", None)

    def _mixed(self, coefficients: Array | Tensor) -> Callable[[Tensor], Tensor]:
        if isinstance(coefficients, Tensor):
            return lambda _: self.mixtures(coefficients[None], self.rows)[0]
        parts = [(float(c), answers) for c, answers in zip(coefficients, self.answers, strict=True) if c != 0.0]

        def forward(_: Tensor) -> Tensor:
            if not parts:
                return torch.zeros_like(self.answers[0][self.rows])
            (c, answers), *rest = parts
            result = torch.mul(answers[self.rows], c)
            for c, answers in rest:
                result.add_(answers[self.rows], alpha=c)
            return result

        return forward

    def _answers(self, corners: Sequence[Mapping[str, Tensor]], inputs: Tensor) -> Tensor:
        """What the first layer answers to all inputs, for every corner: (C, n, …)."""
        assert self.first is not None
        reached: list[Tensor] = []

        def stop(layer: nn.Module, given: object, answer: Tensor) -> None:
            reached.append(answer)
            raise _Reached

        found: list[Tensor] = []
        handle = self.first.register_forward_hook(stop)
        try:
            for i in range(len(corners)):
                _hold(self.network, corners, [float(i == j) for j in range(len(corners))])
                reached.clear()
                for part in inputs.split(self.chunk):
                    try:
                        with torch.inference_mode():
                            self.network(part)
                    except _Reached:
                        pass
                found.append(torch.cat(reached))
        finally:
            handle.remove()
        return torch.stack(found)

    @torch.inference_mode()
    def _right(self, corners: Sequence[Mapping[str, Tensor]], inputs: Tensor) -> bool:
        """Whether both ways agree at a random mixture."""
        shares = torch.rand(len(corners), generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
        coefficients = (shares / shares.sum()).numpy()
        _hold(self.network, corners, coefficients.tolist())
        plain = self.network(inputs)
        self.rows = slice(0, len(inputs))
        with self.taken(coefficients):
            return close(self.network(inputs), plain)


@torch.no_grad()
def _hold(network: nn.Module, corners: Sequence[Mapping[str, Tensor]], coefficients: Sequence[float]) -> None:
    mix(corners, coefficients, out=network.state_dict(keep_vars=True))


def _same(input: Tensor) -> Tensor:
    return input


def _bytes(made: Sequence[Call], layer: nn.Module, samples: int) -> float:
    """Bytes of a layer's answers to so many samples."""
    return samples * largest_activation([c for c in made if c.layer is layer], 2)


def _first(network: nn.Module, made: Sequence[Call], corners: int) -> nn.Module | None:
    """The first layer with weights, where it is affine, is asked once, and has more inputs to each output than it pays to add corners up."""
    weighted = [c.layer for c in made if any(True for _ in c.layer.parameters())]
    if not weighted or not isinstance(weighted[0], Affine) or sum(layer is weighted[0] for layer in weighted) > 1:
        return None
    names = [name for name, p in network.state_dict(keep_vars=True).items() if p is weighted[0].weight]
    enough = weighted[0].weight[0].numel() >= WORTH * corners
    return weighted[0] if enough and len(names) == 1 else None


def _pairs(made: Sequence[Call], first: nn.Module | None) -> list[tuple[nn.Module, _BatchNorm]]:
    """Affine layers and the batch norms that see nothing but their answers, each asked once."""
    asked = [c.layer for c in made]
    once = {id(layer) for layer in asked if sum(layer is other for other in asked) == 1}
    found: list[tuple[nn.Module, _BatchNorm]] = []
    for before, after in ((b, a) for a in made for b in made if b.answer is a.given):
        channels = isinstance(before.layer, nn.Linear) == (isinstance(before.answer, Tensor) and before.answer.dim() == 2)
        fits = before.layer is not first and {id(before.layer), id(after.layer)} <= once and channels
        hooked = before.layer._forward_pre_hooks  # pyright: ignore[reportPrivateUsage]  (as of the old weight_norm: the weight is made at the call)
        fits = fits and not hooked
        if fits and isinstance(before.layer, Affine) and isinstance(after.layer, _BatchNorm) and after.layer.track_running_stats:
            found.append((before.layer, after.layer))
    return found


def _fold(layer: nn.Module, norm: _BatchNorm) -> Callable[[Tensor], Tensor]:
    """The layer followed by the batch norm in eval mode, as one affine map."""
    assert isinstance(layer, Affine) and norm.running_mean is not None and norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight  # pyright: ignore[reportUnnecessaryComparison]  (None when not affine)
    shift = -norm.running_mean if layer.bias is None else layer.bias - norm.running_mean
    shift = shift * scale if norm.bias is None else norm.bias + shift * scale  # pyright: ignore[reportUnnecessaryComparison]
    weight = layer.weight * scale.view(-1, *[1] * (layer.weight.dim() - 1))
    if isinstance(layer, nn.Linear):
        return lambda x: nn.functional.linear(x, weight, shift)
    convolve = layer._conv_forward  # pyright: ignore[reportPrivateUsage]  (stride, padding and its mode, dilation, groups: all of the layer's own)
    return lambda x: convolve(x, weight, shift)
