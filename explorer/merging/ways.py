"""How one tensor of the result is made of the models' blocks, with the formulas of `explorer.fuse`.

A way is called with the passes over a tensor and yields the blocks of the result. What needs to know the whole tensor first (an angle, a threshold) makes
a pass for it before. Where there is a base, it is the first model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import Elect, disjoint_sum, draws, dropped, magnitude, mean, products, summed, threshold, trimmed
from explorer.core.points import Array
from explorer.merging.blocks import Passes

Thin: TypeAlias = Callable[[Tensor], Tensor]


class Way(Protocol):
    """Makes the blocks of the result. `rows`: it needs whole rows."""

    @property
    def rows(self) -> bool: ...
    def __call__(self, passes: Passes) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class Linear:
    """Σ cᵢ·Wᵢ, divided by `over` in the end."""

    coefficients: tuple[float, ...]
    over: float = 1.0
    rows: bool = False

    def __call__(self, passes: Passes) -> Iterator[Tensor]:
        for tensors in passes():
            total = _sum(tensors, self.coefficients)
            yield total if self.over == 1 else total.div_(self.over)


@dataclass(frozen=True)
class Sphere:
    """A point between models on the sphere: slerp at `t` between two, or karcher's mean with `weights`; seen from the origin, or from the base."""

    t: float = 0.5
    weights: tuple[float, ...] = ()
    steps: int = 100
    tolerance: float = 1e-6
    based: bool = False
    name: str = "the whole model"
    rows: bool = False

    def __call__(self, passes: Passes) -> Iterator[Tensor]:
        entries = 0

        def directions() -> Iterator[list[Tensor]]:
            nonlocal entries
            for tensors in passes():
                entries += tensors[0].numel()
                yield self.seen(tensors)

        found = self.coefficients(products(directions()))
        if entries < 2:  # no direction
            found = self.weights or (1 - self.t, self.t)
        for tensors in passes():
            total = _sum(self.seen(tensors), found)
            yield total.add_(tensors[0]) if self.based else total

    def seen(self, tensors: list[Tensor]) -> list[Tensor]:
        return list(_changes(tensors)) if self.based else tensors

    def coefficients(self, inner: Array) -> tuple[float, ...]:
        """What each model is multiplied by, from their inner products."""
        if not self.weights:
            from explorer.methods.fuse import slerp

            return slerp.coefficients(inner, self.t, self.name)
        from explorer.methods.fuse import karcher

        return tuple(karcher.mean(inner, np.array(self.weights), self.steps, self.tolerance, self.name)[0].tolist())


@dataclass(frozen=True)
class Stock:
    """The mean of the models, drawn back to the base the more they disagree."""

    models: int
    rows: bool = False

    def __call__(self, passes: Passes) -> Iterator[Tensor]:
        from explorer.methods.fuse import model_stock

        inner = products(list(_changes(tensors)) for tensors in passes())
        t = model_stock.ratio(model_stock.mean_cosine(inner), len(inner))
        for tensors in passes():
            yield model_stock.drawn_back(tensors, t)


@dataclass(frozen=True)
class All:
    """Every change stays."""

    rows: bool = False

    def settled(self, passes: Passes, model: int) -> Thin:
        return lambda vector: vector


@dataclass(frozen=True)
class Between:
    """Of the magnitudes in order, those from the `last`-th largest to the `first`-th largest stay (the largest is the first)."""

    last: int
    first: int = 1
    rows: bool = False

    def settled(self, passes: Passes, model: int) -> Thin:
        def magnitudes() -> Iterator[Tensor]:
            return (magnitude(tensors[1] - tensors[0]) for tensors in passes(0, model))

        if self.last < self.first:
            return lambda vector: vector.zero_()
        least = threshold(magnitudes, self.last)
        most = threshold(magnitudes, self.first) if self.first > 1 else float("inf")
        return lambda vector: trimmed(vector, least, most)


@dataclass(frozen=True)
class Above:
    """Magnitudes from `least` on stay."""

    least: float
    rows: bool = False

    def settled(self, passes: Passes, model: int) -> Thin:
        return lambda vector: trimmed(vector, self.least)


@dataclass(frozen=True)
class Dropped:
    """Every entry is dropped with one probability, and what stays is scaled up for it (dare)."""

    drop: float
    seed: int
    name: str
    rescale: bool = True
    rows: bool = False

    def settled(self, passes: Passes, model: int) -> Thin:
        generator = draws(self.seed, model - 1, self.name)
        back = 1.0 if self.rescale else 1 - self.drop
        return lambda vector: dropped(vector, self.drop, generator).mul_(back)


@dataclass(frozen=True)
class Ranked:
    """Entries are dropped with a probability that falls with their rank in the row (della)."""

    drop: float
    spread: float
    seed: int
    name: str
    rows: bool = True

    def settled(self, passes: Passes, model: int) -> Thin:
        from explorer.methods.fuse import della

        generator = draws(self.seed, model - 1, self.name)
        return lambda vector: dropped(vector, della.probabilities(vector, self.drop, self.spread), generator)


Keep: TypeAlias = All | Between | Above | Dropped | Ranked


@dataclass(frozen=True)
class Tasks:
    """The base plus scale · Σ wᵢ·τ̂ᵢ, τ̂ᵢ being what is kept of Wᵢ − W₀; where signs are elected, over those that agree.

    `normalise`: divided by Σ wᵢ, or by Σ wᵢ of those that agree.
    """

    weights: tuple[float, ...]
    keeps: tuple[Keep, ...]
    elect: Elect = "none"
    scale: float = 1.0
    normalise: bool = True

    @property
    def rows(self) -> bool:
        return any(keep.rows for keep in self.keeps)

    def __call__(self, passes: Passes) -> Iterator[Tensor]:
        thins = [keep.settled(passes, i) for i, keep in enumerate(self.keeps, start=1)]
        total = math.fsum(self.weights) if self.normalise and self.elect == "none" else 1.0
        shares = [w / total for w in self.weights]
        for tensors in passes():
            thinned = (thin(vector) for thin, vector in zip(thins, _changes(tensors), strict=True))
            if self.elect == "none":
                change = mean(thinned, shares)
            else:
                change, weight = disjoint_sum(thinned, shares, self.elect)
                if self.normalise:
                    change.div_(weight.add_(weight == 0))
            yield change.mul_(self.scale).add_(tensors[0])


@dataclass(frozen=True)
class Copied:
    """The first model's bytes, as they are: of whole numbers."""

    rows: bool = False

    def __call__(self, passes: Passes) -> Iterator[Tensor]:
        raise AssertionError("copied unchanged")


def _sum(tensors: list[Tensor], coefficients: tuple[float, ...]) -> Tensor:
    total = summed((c, t) for c, t in zip(coefficients, tensors, strict=True) if c)
    return torch.zeros_like(tensors[0]) if total is None else total


def _changes(tensors: list[Tensor]) -> Iterator[Tensor]:
    return (tensor - tensors[0] for tensor in tensors[1:])
