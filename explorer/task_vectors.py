"""Task vectors τᵢ = Wᵢ − W₀: what fine-tuning added to a base, thinned out, and merged with or without an election of signs.

Ilharco et al. 2023, "Editing Models with Task Arithmetic" (the vectors); Yadav et al. 2023, "TIES-Merging", section 4 (election and disjoint mean). A
method says which entries of a vector stay; the rest is the same for all of them:

    W₀ + scale · mean(τ̂₁ … τ̂ₙ)                          without election
    W₀ + scale · mean of the τ̂ᵢ whose sign was elected     entry by entry, entries that are zero having no vote and no share

The elected sign is that of Σ wᵢ·τ̂ᵢ ("mass") or of Σ wᵢ·sgn τ̂ᵢ ("count"). Where the votes are equal, no sign is elected and the base's value stays:
so the result depends neither on the order of the models nor on which sign is called the positive one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from explorer.fusing import by_tensor, of_number, shares_of, wide
from explorer.matching import Progress, quiet
from explorer.problem import Problem
from explorer.weights import Weights

Elect: TypeAlias = Literal["none", "mass", "count"]
Thin: TypeAlias = Callable[[int, str, Tensor], Tensor]
"""`thin(i, name, vector)`: what stays of one tensor of the i-th task vector; the vector is its own to write to."""

WANTED = "a base, and one or more models that were fine-tuned from it"
ROUNDINGS = 8  # of the votes: what their sums may be off by


def merged(
    models: Sequence[Weights],
    problem: Problem,
    thin: Thin,
    *,
    method: str,
    weights: Sequence[float],
    elect: Elect,
    scale: float,
    progress: Progress = quiet,
) -> Weights:
    """The base models[0] plus what stays of the others' task vectors; `weights` relative, one for each of the others. Buffers: the others' mean."""
    of_number(models, (2, None), method, WANTED)
    shares = shares_of(weights, len(models) - 1, method)

    def kernel(name: str, tensors: Sequence[Tensor]) -> Tensor:
        thinned = (thin(i, name, vector) for i, vector in enumerate(vectors(tensors)))
        return (mean(thinned, shares) if elect == "none" else disjoint_mean(thinned, shares, elect)).mul_(scale).add_(wide(tensors[0]))

    return by_tensor(models, problem, kernel, buffers=(0.0, *shares), progress=progress)


def vectors(tensors: Sequence[Tensor]) -> Iterator[Tensor]:
    """tensorᵢ − tensor₀ for i ≥ 1, one at a time, in wide precision."""
    base = wide(tensors[0])
    return (wide(t) - base for t in tensors[1:])


def mean(thinned: Iterable[Tensor], shares: Sequence[float]) -> Tensor:
    """Σ shareᵢ·τ̂ᵢ."""
    total: Tensor | None = None
    for share, vector in zip(shares, thinned, strict=True):
        total = vector * share if total is None else total.add_(vector, alpha=share)
    assert total is not None
    return total


def disjoint_mean(thinned: Iterable[Tensor], shares: Sequence[float], elect: Elect) -> Tensor:
    """Entry by entry the weighted mean of the values of the elected sign, 0 where none is elected.

    One pass: what is above zero and what is below is summed apart, and the election is held on the sums.
    """
    above: Tensor | None = None
    below = above_votes = below_votes = torch.empty(0)
    for share, vector in zip(shares, thinned, strict=True):
        if above is None:
            above, below, above_votes, below_votes = (torch.zeros_like(vector) for _ in range(4))
        above.add_(vector.clamp(min=0), alpha=share)
        below.add_(vector.clamp(max=0), alpha=share)
        above_votes.add_(vector > 0, alpha=share)
        below_votes.add_(vector < 0, alpha=share)
    assert above is not None
    positive, negative = (above, -below) if elect == "mass" else (above_votes, below_votes)
    margin = positive - negative
    noise = ROUNDINGS * torch.finfo(margin.dtype).eps
    margin[margin.abs() <= noise * (positive + negative)] = 0  # equal but for the order of the sums
    up, down = above / above_votes, below / below_votes  # 0/0 only where the sign has no votes and is not elected
    return torch.where(margin > 0, up, torch.where(margin < 0, down, torch.zeros_like(margin)))


def threshold(magnitudes: Callable[[], Iterable[Tensor]], count: int) -> float:
    """The smallest of the `count` largest magnitudes, over all tensors together; infinity for a count of 0, the least of all for a count too large.

    Compared in single precision, exactly, without bringing the tensors together: floats that are not negative are ordered as their bits are, so the
    upper halves of the bits are counted first, and then the lower halves of those that share the upper half at which the count is reached. The
    tensors are gone through twice, so `magnitudes` makes them anew.
    """
    upper = _tally(_bits(m) >> 16 for m in magnitudes())
    if (count := min(count, int(upper.sum()))) <= 0:
        return float("inf")
    high, count = _reached(upper, count)
    lower = _tally(bits[bits >> 16 == high] & 0xFFFF for bits in map(_bits, magnitudes()))
    low, _ = _reached(lower, count)
    return float(torch.tensor([high << 16 | low], dtype=torch.int32).view(torch.float32))


def magnitude(vector: Tensor) -> Tensor:
    """|vector| as `threshold` compares it."""
    return vector.abs().to(torch.float32)


def _bits(magnitudes: Tensor) -> Tensor:
    return magnitudes.to(torch.float32).contiguous().view(torch.int32).reshape(-1)


def _tally(halves: Iterable[Tensor]) -> Tensor:
    counts = torch.zeros(1 << 16, dtype=torch.int64)
    for half in halves:
        counts += torch.bincount(half, minlength=1 << 16)
    return counts


def _reached(counts: Tensor, count: int) -> tuple[int, int]:
    """The bin in which the count is reached from the top, and how many of the count are left for it."""
    downward = counts.flip(0).cumsum(0)
    place = int(torch.searchsorted(downward, count))
    return len(counts) - 1 - place, count - (int(downward[place - 1]) if place else 0)
