"""The arithmetic of merging, on tensors or on blocks of them: whatever is asked entry by entry gives bit for bit the same for a block as for the whole.

Half precision is computed in float32, the rest in float64. Imports torch and nothing else that is large.

Ilharco et al. 2023, "Editing Models with Task Arithmetic" (task vectors); Yadav et al. 2023, "TIES-Merging" (election and disjoint mean);
Yu et al. 2024, "Language Models are Super Mario" (dropping).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.weights import gram
from explorer.core.points import Array

Elect: TypeAlias = Literal["none", "mass", "count"]

ROUNDINGS = 8  # of the votes: what their sums may be off by
TOGETHER = 1 << 18  # entries whose magnitudes are counted at once


def combined(tensors: Sequence[Tensor], coefficients: Sequence[float]) -> Tensor:
    """Σ cᵢ·tensorᵢ as a new tensor in wide precision. What has the coefficient 0 is not touched."""
    total = summed((c, wide(t)) for c, t in zip(coefficients, tensors, strict=True) if c)
    return torch.zeros_like(wide(tensors[0])) if total is None else total


def summed(parts: Iterable[tuple[float, Tensor]]) -> Tensor | None:
    """Σ cᵢ·tensorᵢ of tensors that are in wide precision already, as a new tensor; None of no parts.

    Product and sum are rounded each by itself, as a plain loop does, not fused.
    """
    total: Tensor | None = None
    for c, tensor in parts:
        total = tensor * c if total is None else total.add_(tensor * c)
    return total


def wide(tensor: Tensor) -> Tensor:
    """The tensor in the precision that is computed in: float32 for half and less, float64 for the others."""
    return tensor.detach().to(torch.float32 if tensor.element_size() < 4 else torch.float64)


def weighted(tensors: Sequence[Tensor], coefficients: Sequence[float], over: float = 1.0) -> Tensor:
    """Σ cᵢ·tensorᵢ of tensors in wide precision, divided by `over` in the end, as a new tensor. What has the coefficient 0 is not touched."""
    total = summed((c, t) for c, t in zip(coefficients, tensors, strict=True) if c)
    total = torch.zeros_like(tensors[0]) if total is None else total
    return total if over == 1 else total.div_(over)


def vectors(tensors: Sequence[Tensor]) -> Iterator[Tensor]:
    """tensorᵢ − tensor₀ for i ≥ 1, one at a time, of tensors in wide precision."""
    return (t - tensors[0] for t in tensors[1:])


def mean(thinned: Iterable[Tensor], shares: Sequence[float]) -> Tensor:
    """Σ shareᵢ·τ̂ᵢ."""
    total: Tensor | None = None
    for share, vector in zip(shares, thinned, strict=True):
        total = vector * share if total is None else total.add_(vector, alpha=share)
    assert total is not None
    return total


def disjoint_mean(thinned: Iterable[Tensor], weights: Sequence[float], elect: Elect) -> Tensor:
    """Entry by entry the weighted mean of the values of the elected sign, 0 where none is elected."""
    total, weight = disjoint_sum(thinned, weights, elect)
    return total.div_(weight.add_(weight == 0))


def disjoint_sum(thinned: Iterable[Tensor], weights: Sequence[float], elect: Elect) -> tuple[Tensor, Tensor]:
    """Entry by entry Σ wᵢ·τ̂ᵢ over the models where wᵢ·τ̂ᵢ has the elected sign, and Σ wᵢ over these models; both 0 where none is elected.

    One pass: what is above zero and what is below is summed apart, and the election is held on the sums. "count" needs weights that are not negative.
    """
    above: Tensor | None = None
    below = above_weight = below_weight = torch.empty(0)
    for weight, vector in zip(weights, thinned, strict=True):
        if above is None:
            above, below, above_weight, below_weight = (torch.zeros_like(vector) for _ in range(4))
        vote = vector * weight
        above.add_(vote.clamp(min=0))
        below.add_(vote.clamp(max=0))
        above_weight.add_((vote > 0).to(vote.dtype), alpha=weight)
        below_weight.add_((vote < 0).to(vote.dtype), alpha=weight)
    assert above is not None
    positive, negative = (above, -below) if elect == "mass" else (above_weight, below_weight)
    up, down = _majority(positive, negative)
    return above.mul_(up).add_(below.mul_(down)), above_weight.mul_(up).add_(below_weight.mul_(down))


def elected(changes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Entry by entry whether the sum of the changes is above zero, and whether it is below; neither where they balance but for rounding."""
    up, down = torch.zeros_like(changes[0]), torch.zeros_like(changes[0])
    for change in changes:
        up.add_(change.clamp(min=0))
        down.sub_(change.clamp(max=0))
    return _majority(up, down)


def _majority(positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    margin = positive - negative
    noise = ROUNDINGS * torch.finfo(margin.dtype).eps
    noise = (positive + negative).mul_(noise)  # what is nearer than this is equal but for the order of the sums
    return margin > noise, margin < -noise


def kept(vector: Tensor, mask: Tensor) -> Tensor:
    """The vector, written to: 0 where the mask is off. Entries must be finite."""
    return vector.mul_(mask).add_(0.0)  # and no minus before a nought


def dropped(vector: Tensor, probability: float | Tensor, generator: torch.Generator) -> Tensor:
    """The vector, written to: every entry becomes 0 with its probability, and is else divided by what that leaves."""
    return vector.masked_fill_(torch.rand(vector.shape, generator=generator) < probability, 0).div_(1 - probability)


def draws(seed: int, model: int, name: str) -> torch.Generator:
    """The random numbers for one tensor of one model: they depend on these three alone, not on what else is fused or in which order."""
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(f"{seed}/{model}/{name}".encode()).digest()[:7], "big"))


def products(blocks: Iterable[Sequence[Tensor]]) -> Array:
    """(N, N) inner products of N tensors that come in blocks, in float64; the order of the blocks does not matter."""
    found = np.array([gram([{"": tensor} for tensor in block], [""]) for block in blocks])
    return np.array([[math.fsum(found[:, i, j]) for j in range(found.shape[2])] for i in range(found.shape[1])])


def threshold(magnitudes: Callable[[], Iterable[Tensor]], count: int) -> float:
    """The smallest of the `count` largest magnitudes, over all tensors together; infinity for a count of 0, the least of all for a count too large.

    Compared in single precision, exactly, without bringing the tensors together: floats that are not negative are ordered as their bits are, so the
    upper halves of the bits are counted first, and then the lower halves of those that share the upper half at which the count is reached. The
    tensors are gone through twice, so `magnitudes` makes them again.
    """
    return thresholds(magnitudes, (count,))[0]


def thresholds(magnitudes: Callable[[], Iterable[Tensor]], counts: Sequence[int]) -> list[float]:
    """The threshold of each count; the tensors are gone through twice for all of them."""
    return [rank.least for rank in _ranks(magnitudes, counts)]


def ranked(magnitudes: Callable[[], Iterable[Tensor]], count: int) -> tuple[float, int, int]:
    """The threshold; of the entries exactly as large, how many are among the `count` largest; and how many there are."""
    return _ranks(magnitudes, (count,))[0]


class _Rank(NamedTuple):
    """least: the threshold. taken: how many of the entries exactly as large are among the largest; equal: how many there are."""

    least: float
    taken: int
    equal: int


def _ranks(magnitudes: Callable[[], Iterable[Tensor]], counts: Sequence[int]) -> list[_Rank]:
    (upper,) = _tallies(([_bits(m) >> 16] for m in magnitudes()), 1)
    entries = int(upper.sum())
    reached = {count: _reached(upper, min(count, entries)) for count in counts if min(count, entries) > 0}
    highs = sorted({high for high, _ in reached.values()})
    lower = dict(zip(highs, _tallies((_lower(_bits(m), highs) for m in magnitudes()), len(highs)), strict=True)) if highs else {}
    return [_rank(reached[count], lower) if count in reached else _Rank(float("inf"), 0, 0) for count in counts]


def _rank(reached: tuple[int, int], lower: dict[int, Tensor]) -> _Rank:
    high, left = reached
    low, left = _reached(lower[high], left)
    return _Rank(float(torch.tensor([high << 16 | low], dtype=torch.int32).view(torch.float32)), left, int(lower[high][low]))


def magnitude(vector: Tensor) -> Tensor:
    """|vector| as `threshold` compares it."""
    return vector.abs().to(torch.float32)


def _bits(magnitudes: Tensor) -> Tensor:
    return magnitudes.to(torch.float32).contiguous().view(torch.int32).reshape(-1)


def _lower(bits: Tensor, highs: Sequence[int]) -> list[Tensor]:
    """The lower halves of those entries that share each of the upper halves."""
    upper = bits >> 16
    return [bits[upper == high] & 0xFFFF for high in highs]


def _tallies(halves: Iterable[Sequence[Tensor]], kinds: int) -> list[Tensor]:
    """Of numbers of 16 bits, of so many kinds, how often each is there; several tensors are counted together, as a count goes through all numbers once."""
    tallies = [_Tally() for _ in range(kinds)]
    for several in halves:
        for tally, half in zip(tallies, several, strict=True):
            tally.add(half)
    return [tally.counts() for tally in tallies]


class _Tally:
    def __init__(self) -> None:
        self._counts = torch.zeros(1 << 16, dtype=torch.int64)
        self._waiting: list[Tensor] = []
        self._entries = 0

    def add(self, half: Tensor) -> None:
        self._waiting.append(half)
        self._entries += len(half)
        if self._entries >= TOGETHER:
            self.counts()

    def counts(self) -> Tensor:
        if self._waiting:
            self._counts += torch.bincount(torch.cat(self._waiting), minlength=1 << 16)
            self._waiting, self._entries = [], 0
        return self._counts


def _reached(counts: Tensor, count: int) -> tuple[int, int]:
    """The bin in which the count is reached from the top, and how many of the count are left for it."""
    downward = counts.flip(0).cumsum(0)
    place = int(torch.searchsorted(downward, count))
    return len(counts) - 1 - place, count - (int(downward[place - 1]) if place else 0)
