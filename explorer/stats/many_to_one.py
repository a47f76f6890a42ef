"""Many models against one of them, paired sample by sample, so that all intervals hold together.

Of twenty models as good as the reference, one would look worse in intervals that hold 95 % each. Here every interval is as wide as the largest of all
standardised differences needs it (Dunnett 1955, "A multiple comparison procedure for comparing several treatments with a control"; with the correlations of
the samples themselves, as in Hothorn, Bretz & Westfall 2008, "Simultaneous inference in general parametric models"): in 95 % of cases all of them hold their
true difference at once, however many there are. The reference may have been chosen, as long as other samples chose it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.points import Points
from explorer.stats.intervals import Estimate, Means, are_counts, simultaneous


def many_to_one(models: Sequence[Points], reference: Points, metric: int = 0) -> list[Estimate]:
    """mean(model) − mean(reference) of a metric for each model, one point each of the same split, samples and blocks; intervals that hold at once in 95 %.

    The reference itself may be among the models, and is 0 there; it widens nothing. A model that diverged has no interval, and widens nothing either.
    """
    if not models:
        return []
    base = reference.values[0, metric]
    sums = np.stack([m.values[0, metric] for m in models])
    found = Means(sums - base, reference.counts, are_counts(np.vstack([sums, base])))
    varied = np.isfinite(found.value) & (found.residual != 0).any(axis=1)
    if not varied.any() or len(reference.counts) < 2:
        return found.estimates()
    quantile = simultaneous(Means(found.sums[varied], found.counts, found.counted))
    ends = zip(found.value, found.low(quantile), found.high(quantile), strict=True)
    return [Estimate(float(v), float(low), float(high)) for v, low, high in ends]
