"""What measured soups say about their ingredients: the greedy path, what each is worth, and how sure that is. Plain numpy.

A soup is a point of the chart `mixture`: 1 for the models that are in it, 0 for the others. Values are means of a metric, lower is better, and every
difference is paired sample by sample.

Wortsman et al. 2022, "Model soups" (greedy soup); Shapley 1953, "A value for n-person games".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from typing import Literal

import numpy as np
from scipy.stats import t as student

from explorer.core.points import Array, Points, rounded
from explorer.stats.intervals import Estimate, Means, are_counts

METRICS = ("loss", "error")
TO_ALL = (0.25, 0.5, 0.75)  # places on the line from a model to the soup of all
ROUND = 4  # random orders of the first round, two and their reverses; each round doubles them
KEPT = 8  # results, by the very points that they are of: a page asks for them several times while it is drawn


@dataclass(frozen=True)
class Step:
    """One model's turn on the greedy path: the soup with it (`value`), whether it was kept, and by how much it lowers the metric of the soup so far."""

    model: int
    accepted: bool
    value: float
    gain: Estimate | None  # None for the first


@dataclass(frozen=True)
class Path:
    """The greedy path as far as it is known; `wanted`: the candidate that has to be measured next, None at the end."""

    steps: tuple[Step, ...]
    wanted: Array | None

    @property
    def members(self) -> tuple[int, ...]:
        """The models in the soup so far, in the order in which they came."""
        return tuple(s.model for s in self.steps if s.accepted)


def singles(models: int) -> Array:
    """(n, n) every model alone."""
    return np.eye(models)


def subsets(models: int) -> Array:
    """(2ⁿ − 1, n) every choice of models that is not empty, small ones first."""
    masks = np.arange(1, 2**models)
    rows = ((masks[:, None] >> np.arange(models)) & 1).astype(np.float64)
    return rows[np.argsort(rows.sum(axis=1), kind="stable")]


def orders(models: int, count: int, seed: int) -> list[list[int]]:
    """Random orders of the models; each is followed by its reverse, which makes the mean over them vary less."""
    rng = np.random.default_rng(seed)
    found: list[list[int]] = []
    while len(found) < count:
        order = [int(k) for k in rng.permutation(models)]
        found += [order, order[::-1]]
    return found[:count]


def permuted(models: int, count: int, seed: int) -> Array:
    """(count · n, n) the soups of `orders`, model after model. Not to be written to."""
    rows = np.concatenate([np.tril(np.ones((models, models)))[:, np.argsort(order)] for order in orders(models, count, seed)])
    rows.setflags(write=False)
    return rows


def to_all(models: int) -> Array:
    """(3 · n, n) soups at a quarter, a half and three quarters of the way from each model to the soup of all."""
    return np.concatenate([(1 - t) * singles(models) + t / models for t in TO_ALL])


def rounds(budget: int) -> list[int]:
    """How many random orders are drawn after each round: the first few, then twice as many, up to the budget."""
    found: list[int] = []
    while not found or found[-1] < budget:
        found.append(min(2 * found[-1] if found else ROUND, budget))
    return found


@lru_cache(maxsize=KEPT)
def walk(points: Points, metric: str = "error", rule: Literal["at_least", "better"] = "at_least") -> Path:
    """The greedy path over points that hold every model alone: from the best, keeping what does not make the soup worse (or makes it better).

    Models of equal value come in their own order. A soup without a finite value is not kept.
    """
    models = points.coords.shape[1]
    at = points.rows
    m = _column(points, metric)
    mean = points.means()[:, m]
    alone = np.array([mean[at[row.tobytes()]] for row in rounded(singles(models))])
    order = np.argsort(np.where(np.isfinite(alone), alone, np.inf), kind="stable")
    soup = singles(models)[order[0]]
    first = now = at[soup.tobytes()]
    tried: list[tuple[int, bool, int, int]] = []
    wanted: Array | None = None
    for k in order[1:]:
        candidate = soup.copy()
        candidate[k] += 1
        there = at.get(candidate.tobytes())
        if there is None:
            wanted = candidate
            break
        better = bool(mean[there] < mean[now] if rule == "better" else mean[there] <= mean[now])
        tried.append((int(k), better, now, there))
        if better:
            soup, now = candidate, there
    gains = _estimate(np.array([points.values[before, m] - points.values[after, m] for _, _, before, after in tried]), points, m) if tried else []
    steps = [Step(k, better, float(mean[after]), gain) for (k, better, _, after), gain in zip(tried, gains, strict=True)]
    return Path((Step(int(order[0]), True, float(mean[first]), None), *steps), wanted)


@lru_cache(maxsize=KEPT)
def leave_one_out(points: Points, metric: str = "error") -> list[Estimate] | None:
    """By how much the metric of the soup of all rises when a model is left out; None while a soup is missing, or of one model."""
    models = points.coords.shape[1]
    at = points.rows
    whole = at.get(np.ones(models).tobytes())
    without = [at.get(row.tobytes()) for row in 1 - singles(models)]
    if models < 2 or whole is None or any(w is None for w in without):
        return None
    m = _column(points, metric)
    return _estimate(np.stack([points.values[w, m] - points.values[whole, m] for w in without if w is not None]), points, m)


@lru_cache(maxsize=KEPT)
def shapley(points: Points, metric: str = "error") -> list[Estimate] | None:
    """Exact Shapley values: what each model takes off the metric, on average over all orders of adding them; None while a subset is missing.

    The empty soup has the mean of the models alone, so that the values sum to what the soup of all is better by than a model picked at random.
    """
    models = points.coords.shape[1]
    at = points.rows
    rows = subsets(models)
    where = [at.get(row.tobytes()) for row in rows]
    if any(w is None for w in where):
        return None
    m = _column(points, metric)
    sums = points.values[[w for w in where if w is not None], m]
    alone = sums[rows.sum(axis=1) == 1].mean(axis=0)
    value = {0: alone} | {int(row @ 2 ** np.arange(models)): s for row, s in zip(rows, sums, strict=True)}
    found: list[Array] = []
    for k in range(models):
        total = np.zeros_like(alone)
        for mask, before in value.items():
            if not mask >> k & 1:
                size = mask.bit_count()
                total += factorial(size) * factorial(models - size - 1) / factorial(models) * (before - value[mask | 1 << k])
        found.append(total)
    return _estimate(np.stack(found), points, m)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Shapley values from random orders. estimates: each with the interval of the orders and of the samples together; orders: how many were drawn.

    by_orders, by_samples: (n,) half widths of 95 % intervals of either alone; more orders narrow the first, more evaluation samples the second.
    """

    estimates: list[Estimate]
    orders: int
    by_orders: Array
    by_samples: Array

    def enough(self, within: float = 0.0) -> bool:
        """Whether the orders leave no more than ± `within` to any value; with 0, less than the samples do to the value that is known worst."""
        wide = float(self.by_orders.max())
        return wide <= (within or float(np.nanmax(self.by_samples)))


@lru_cache(maxsize=KEPT)
def drawn_shapley(points: Points, count: int, seed: int, metric: str = "error") -> Drawn | None:
    """Shapley values from those of `count` random orders that are measured whole; None before two orders and their reverses are, or a model alone.

    Unbiased for any fixed number of orders. An order and its reverse are not independent: the spread is that between such pairs (Castro, Gómez & Tejada
    2009, "Polynomial calculation of the Shapley value based on sampling"; antithetic pairs: Lomeli et al. 2019).
    """
    models = points.coords.shape[1]
    at = points.rows
    m = _column(points, metric)
    alone = [at.get(row.tobytes()) for row in singles(models)]
    if any(a is None for a in alone):
        return None
    empty = points.values[[a for a in alone if a is not None], m].mean(axis=0)
    total, gains = np.zeros((models, len(points.counts))), list[Array]()
    gain = total
    for order in orders(models, count, seed):
        soup, rows = np.zeros(models), list[int]()
        for k in order:
            soup[k] = 1.0
            if (there := at.get(soup.tobytes())) is None:
                break
            rows.append(there)
        if len(rows) < models:
            break
        path = np.concatenate([empty[None], points.values[rows, m]])
        gain = (path[:-1] - path[1:])[np.argsort(order)]
        total += gain
        gains.append(gain.sum(axis=1))
    drawn = len(gains) if len(gains) == count else len(gains) // 2 * 2
    if not drawn or (drawn < count and drawn < ROUND):
        return None
    if drawn < len(gains):
        total, gains = total - gain, gains[:drawn]  # an order without its reverse
    pairs = np.stack(gains[: drawn // 2 * 2]).reshape(-1, 2, models).mean(axis=1) if drawn > 1 else np.empty((0, models))
    spread = pairs.std(axis=0, ddof=1) / points.counts.sum() / np.sqrt(len(pairs)) if len(pairs) > 1 else np.full(models, np.nan)
    wide = spread * student.ppf(0.975, max(len(pairs) - 1, 1))
    inner = _estimate(total / drawn, points, m)
    both = [
        Estimate(e.value, float(e.value - np.hypot(e.value - e.low, w)), float(e.value + np.hypot(e.high - e.value, w)))
        for e, w in zip(inner, wide, strict=True)
    ]
    return Drawn(both, drawn, wide, np.array([(e.high - e.low) / 2 for e in inner]))


def sampled_shapley(points: Points, count: int, seed: int, metric: str = "error") -> list[Estimate] | None:
    """Shapley values from just so many random orders; the interval is that of the orders and of the samples together. None while a soup is missing."""
    found = drawn_shapley(points, count, seed, metric)
    return found.estimates if found is not None and found.orders == count else None


def best_single(points: Points, metric: str = "error") -> int | None:
    """The model that is best alone, among those of equal error the one of the lowest loss; None while one is missing."""
    at = points.rows
    where = [at.get(row.tobytes()) for row in singles(points.coords.shape[1])]
    if any(w is None for w in where):
        return None
    values = points.means()[[w for w in where if w is not None]]
    values = np.where(np.isfinite(values), values, np.inf)
    return int(np.lexsort((values[:, 0], values[:, _column(points, metric)]))[0])


def row_of(points: Points, soup: Sequence[float] | Array) -> int | None:
    """Which of the points is this soup, if it is measured."""
    return points.rows.get(rounded(np.asarray(soup, dtype=np.float64)).tobytes())


def _column(points: Points, metric: str) -> int:
    """Where a metric's values are: the second of two for the error; the only one there is where nothing else was measured."""
    return min(METRICS.index(metric), points.values.shape[1] - 1)


def _estimate(blocks: Array, points: Points, metric: int) -> list[Estimate]:
    """(I, B) block sums of differences of a metric → their means with 95 % intervals."""
    return Means(blocks, points.counts, are_counts(points.values[:, metric])).estimates()
