"""The interval of an effect over training seeds as well as over samples.

Every replicate has training seeds of its own, and gives an effect with its 95 % interval over the test samples, paired where two models are compared
(explorer.stats.intervals). Over replicates the mean has Student's interval. All replicates see the same test samples, so what these add does not average
out: the mean half-width of the replicates' own intervals is added as the other side of a right angle, which is what is right if their errors agree, and too
wide if they do not. It is how *Paths*, many models, does it for pairs (explorer.stats.training_seeds).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from explorer.stats.intervals import LEVEL, Estimate


def over_seeds(found: Sequence[Estimate]) -> Estimate:
    """The mean of an effect over replicates with its 95 % interval; of fewer than two the ends are NaN, as no number of samples says how seeds differ."""
    values = np.array([one.value for one in found])
    n, value = len(values), float(np.mean(values)) if len(values) else float("nan")
    if n < 2:
        return Estimate(value, float("nan"), float("nan"))
    seeds = float(special.stdtrit(n - 1, LEVEL) * values.std(ddof=1) / np.sqrt(n))
    below, above = (float(np.mean(gaps)) for gaps in zip(*((e.value - e.low, e.high - e.value) for e in found), strict=True))
    return Estimate(value, value - float(np.hypot(seeds, below)), value + float(np.hypot(seeds, above)))
