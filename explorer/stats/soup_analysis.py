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
    now = at[soup.tobytes()]
    steps = [Step(int(order[0]), True, float(mean[now]), None)]
    for k in order[1:]:
        candidate = soup + singles(models)[k]
        there = at.get(candidate.tobytes())
        if there is None:
            return Path(tuple(steps), candidate)
        better = mean[there] < mean[now] if rule == "better" else mean[there] <= mean[now]
        steps.append(Step(int(k), bool(better), float(mean[there]), change(points, now, there, m)))
        if better:
            soup, now = candidate, there
    return Path(tuple(steps), None)


def change(points: Points, before: int, after: int, metric: int) -> Estimate:
    """By how much the metric falls from one point to another, with the paired interval."""
    return _estimate((points.values[before, metric] - points.values[after, metric])[None], points, metric)[0]


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


@lru_cache(maxsize=KEPT)
def sampled_shapley(points: Points, count: int, seed: int, metric: str = "error") -> list[Estimate] | None:
    """Shapley values from random orders; the interval is that of the orders and of the samples together. None while a soup is missing."""
    models = points.coords.shape[1]
    at = points.rows
    m = _column(points, metric)
    alone = [at.get(row.tobytes()) for row in singles(models)]
    if any(a is None for a in alone):
        return None
    empty = points.values[[a for a in alone if a is not None], m].mean(axis=0)
    gains: list[Array] = []
    for order in orders(models, count, seed):
        gain, before, soup = np.zeros((models, len(points.counts))), empty, np.zeros(models)
        for k in order:
            soup[k] = 1.0
            there = at.get(soup.tobytes())
            if there is None:
                return None
            gain[k], before = before - points.values[there, m], points.values[there, m]
        gains.append(gain)
    stacked = np.stack(gains)
    pairs = stacked[: len(stacked) // 2 * 2].reshape(-1, 2, *stacked.shape[1:]).mean(axis=1)  # an order and its reverse are not independent
    inner = _estimate(stacked.mean(axis=0), points, m)
    spread = pairs.sum(axis=2).std(axis=0, ddof=1) / points.counts.sum() / np.sqrt(len(pairs)) if len(pairs) > 1 else np.full(models, np.nan)
    wide = spread * student.ppf(0.975, max(len(pairs) - 1, 1))
    return [
        Estimate(e.value, float(e.value - np.hypot(e.value - e.low, w)), float(e.value + np.hypot(e.high - e.value, w)))
        for e, w in zip(inner, wide, strict=True)
    ]


def best_single(points: Points, metric: str = "error") -> int | None:
    """The model that is best alone, among those of equal error the one of the lowest loss; None while one is missing."""
    at = points.rows
    where = [at.get(row.tobytes()) for row in singles(points.coords.shape[1])]
    if any(w is None for w in where):
        return None
    values = points.means()[[w for w in where if w is not None]]
    values = np.where(np.isfinite(values), values, np.inf)
    return int(np.lexsort((values[:, 0], values[:, _column(points, metric)]))[0])


def row_of(points: Points, soup: Sequence[float]) -> int | None:
    """Which of the points is this soup, if it is measured."""
    return points.rows.get(rounded(np.asarray(soup, dtype=np.float64)).tobytes())


def _column(points: Points, metric: str) -> int:
    """Where a metric's values are: the second of two for the error; the only one there is where nothing else was measured."""
    return min(METRICS.index(metric), points.values.shape[1] - 1)


def _estimate(blocks: Array, points: Points, metric: int) -> list[Estimate]:
    """(I, B) block sums of differences of a metric → their means with 95 % intervals."""
    return Means(blocks, points.counts, are_counts(points.values[:, metric])).estimates()
