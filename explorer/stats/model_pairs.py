"""Which of the very many pairs of models to measure first, and what those that are measured say of all of them. Plain numpy.

200 models have 19,900 pairs. Measured first are the spanning tree of the smallest distances, which joins every model to those near it, and pairs drawn at
random without replacement. The drawn ones are a sample of all pairs of these models: shares and quantiles of barriers have exact intervals from them,
conservative ones because a population that is finite is known better than the binomial distribution says (Clopper & Pearson 1934; for quantiles, the order
statistics: Hahn & Meeker 1991, "Statistical Intervals", 5.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import binom

from explorer.core.points import Array, Points, rounded
from explorer.stats.intervals import LEVEL, Estimate, Means, are_counts
from explorer.stats.soup_analysis import singles
from explorer.stats.spanning_tree import spanning_tree

Pairs = NDArray[np.intp]


def every_pair(models: int) -> Pairs:
    """(n (n − 1) / 2, 2) all of them, i < j, in order."""
    return np.stack(np.triu_indices(models, 1), axis=1)


def near(distances: Array) -> Pairs:
    """(n − 1, 2) the spanning tree of the smallest distances, i < j."""
    return np.array([(e.i, e.j) for e in spanning_tree(distances)], dtype=np.intp).reshape(-1, 2)


def drawn(models: int, count: int, seed: int = 0) -> Pairs:
    """(≤ count, 2) pairs at random without replacement; a larger draw begins with a smaller one."""
    order = np.random.default_rng(seed).permutation(models * (models - 1) // 2)
    return every_pair(models)[order[:count]]


def between(models: int, pairs: Pairs, t: float) -> Array:
    """(P, n) the soups at t of the way from the first to the second model of each pair."""
    rows = np.zeros((len(pairs), models))
    places = np.arange(len(pairs))
    rows[places, pairs[:, 0]] = 1 - t
    rows[places, pairs[:, 1]] = t
    return rows


@dataclass(frozen=True, eq=False)
class Middles:
    """How far a metric rises in the middle of each line above the mean of its ends: (P,) each; NaN where it is not measured. low, high: 95 %, for each alone."""

    value: Array
    low: Array
    high: Array


def middles(soups: Points, pairs: Pairs, metric: int = 0) -> Middles:
    """L(½) − (L(0) + L(1)) / 2 for each pair, paired sample by sample. There is one place for each line, so no choice of it biases the number."""
    models = soups.coords.shape[1]
    nothing = np.full(len(pairs), np.nan)
    value, low, high = nothing.copy(), nothing.copy(), nothing.copy()
    if len(soups) and len(pairs):
        alone, middle = _rows(soups, singles(models)), _rows(soups, between(models, pairs, 0.5))
        known = (middle >= 0) & (alone[pairs] >= 0).all(axis=1)
        sums = soups.values[:, metric]
        a, b = alone[pairs[known]].T
        found = Means(sums[middle[known]] - (sums[a] + sums[b]) / 2, soups.counts, are_counts(sums))
        value[known], low[known], high[known] = found.value, found.low(), found.high()
    return Middles(value, low, high)


def _rows(soups: Points, wanted: Array) -> NDArray[np.intp]:
    """(K,) where each soup is; −1 where it is not measured."""
    return np.array([soups.rows.get(row.tobytes(), -1) for row in rounded(wanted)], dtype=np.intp)


def share(hits: int, of: int) -> Estimate:
    """The share of a population of which so many of a random sample have a property, with its exact 95 % interval. NaN of none."""
    if not of:
        return Estimate(float("nan"), float("nan"), float("nan"))
    low = float(special.betaincinv(hits, of - hits + 1, 1 - LEVEL)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, of - hits, LEVEL)) if hits < of else 1.0
    return Estimate(hits / of, low, high)


def quantile(values: Array, q: float) -> Estimate:
    """A quantile of a population from a random sample of it, with the 95 % interval of the order statistics; its ends are NaN where the sample is too small."""
    known = np.sort(values[np.isfinite(values)])
    n = len(known)
    if not n:
        return Estimate(float("nan"), float("nan"), float("nan"))
    below = int(binom.ppf(1 - LEVEL, n, q))  # P(fewer than this many lie below) ≤ 2.5 %
    above = int(binom.ppf(LEVEL, n, q)) + 1
    low = float(known[below - 1]) if below >= 1 else float("nan")
    high = float(known[above - 1]) if above <= n else float("nan")
    return Estimate(float(np.quantile(known, q)), low, high)
