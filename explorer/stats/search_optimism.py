"""How much too good the best of many candidates looks on the samples that chose it.

The least of K means is on average below its own true mean, the more so the more candidates there are and the less they differ. Efron 1983, "Estimating the
Error Rate of a Prediction Rule", for the choice of a minimum: on samples drawn anew from the samples, with replacement, choose again,

    optimism = E* [ mean of the chosen on all samples − mean of the chosen on the drawn ones ]

Blocks of samples are drawn, the same for all candidates, so that what they have in common cancels. It corrects the value on the split that chose. What was
measured on another split needs no correction. Plain numpy.
"""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array

DRAWS = 1000
SEED = 20230915


def optimism(sums: Array, counts: Array) -> float:
    """sums: (K, B) of a metric of which less is better, over blocks of samples; counts: (B,) items. At least 0; candidates that are not finite are left out.

    NaN where no candidate is finite or there is only one block.
    """
    sums = sums[np.isfinite(sums).all(axis=1)]
    if not len(sums) or len(counts) < 2:
        return float("nan")
    draws = np.random.default_rng(SEED).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=DRAWS).astype(np.float64)
    drawn = (draws @ sums.T) / (draws @ counts)[:, None]
    chosen = drawn.argmin(axis=1)
    whole = sums.sum(axis=1) / counts.sum()
    return max(float((whole[chosen] - drawn[np.arange(DRAWS), chosen]).mean()), 0.0)


def front(values: Array, sizes: Array) -> list[int]:
    """The Pareto front of two numbers of which less is better, by rising size: rows that no other is at least as good as in both and better in one."""
    found: list[int] = []
    least = np.inf
    for row in np.lexsort((values, sizes)).tolist():
        if np.isfinite(values[row]) and np.isfinite(sizes[row]) and values[row] < least:
            found.append(row)
            least = float(values[row])
    return found
