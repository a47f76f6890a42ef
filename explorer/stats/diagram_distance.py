"""How far two persistence diagrams are from one another: the bottleneck and the Wasserstein distance.

Pairs (birth, death) of one are matched with pairs of the other, or with the diagonal, where a pair has no persistence; a pair moved by (a, b) costs
max(|a|, |b|). Bottleneck: the dearest pair of the matching where that is least dear. Wasserstein of order p: the p-th root of the sum of the costs' p-th
powers, in the cheapest matching. Pairs that never die are matched with such alone, by their births in order: without as many in both, the distance is infinite. Cohen-Steiner, Edelsbrunner & Harer 2007, "Stability of Persistence Diagrams": the bottleneck distance is at most
the largest difference of the two functions, where they live on the same points.

Exact: by assignment, O(M³) for M pairs in both together.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from explorer.core.points import Array


def wasserstein(a: Array, b: Array, *, order: float = 1.0) -> float:
    """(M, 2) and (N, 2) pairs of births and deaths → the distance, in the unit of the values.

    >>> wasserstein(np.array([[0.0, 4.0]]), np.array([[1.0, 4.0], [2.0, 3.0]]))
    1.5
    """
    cost = _costs(_mortal(a), _mortal(b)) ** order
    return float((cost[linear_sum_assignment(cost)].sum() + (_lasting(a, b) ** order).sum()) ** (1 / order))


def bottleneck(a: Array, b: Array) -> float:
    """The same for the dearest pair alone.

    >>> bottleneck(np.array([[0.0, 4.0]]), np.array([[1.0, 4.0], [2.0, 3.0]]))
    1.0
    """
    cost, lasting = _costs(_mortal(a), _mortal(b)), float(_lasting(a, b).max(initial=0.0))
    if not cost.size:
        return lasting
    levels = np.unique(cost)
    low, high = 0, len(levels) - 1
    while low < high:  # the lowest level up to which all can be matched
        middle = (low + high) // 2
        if (maximum_bipartite_matching(csr_array(cost <= levels[middle])) >= 0).all():
            high = middle
        else:
            low = middle + 1
    return max(float(levels[low]), lasting)


def _mortal(pairs: Array) -> Array:
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.isfinite(pairs[:, 0]).all():
        raise ValueError(f"Expected a diagram of shape (M, 2), births and deaths, the births finite; got {pairs.shape}.")
    return pairs[np.isfinite(pairs[:, 1])]


def _lasting(a: Array, b: Array) -> Array:
    """What it costs to match the pairs that never die."""
    births = [np.sort(pairs[~np.isfinite(pairs[:, 1]), 0]) for pairs in (a, b)]
    return np.abs(births[0] - births[1]) if len(births[0]) == len(births[1]) else np.array([np.inf])


def _costs(a: Array, b: Array) -> Array:
    """(M + N, M + N): pairs of either, and as many places on the diagonal, where one that stays there costs nothing."""
    m, n = len(a), len(b)
    cost = np.zeros((m + n, m + n))
    cost[:m, :n] = np.abs(a[:, None] - b[None]).max(axis=2)
    cost[:m, n:] = (np.abs(a[:, 1] - a[:, 0]) / 2)[:, None]
    cost[m:, :n] = (np.abs(b[:, 1] - b[:, 0]) / 2)[None]
    return cost
