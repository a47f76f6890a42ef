"""How alike two models decide: their responses to interventions on the data, compared as one number. Plain numpy.

Lubana, Bigelow, Dick, Krueger & Tanaka 2023, "Mechanistic Mode Connectivity". There a model is invariant to an intervention on what generates the data
(a cue taken away, a cue that says something else) when its loss stays as it is, and two models are mechanistically similar when they are invariant to
the same interventions. That is yes or no, for losses known exactly. Here the losses are measured, and the answer is a degree:

    response of model θ to intervention i:   r_i(θ) = error of θ under i − error of θ on the data as they are
    similarity of θ and θ′:                  1 − max_i |r_i(θ) − r_i(θ′)|

1: every intervention costs both the same, and so both are invariant to the same ones. About 0: one intervention ruins the one model and leaves the
other alone. Below 0 only where it ruins the one and repairs the other. What a 1 does not say: that both lose the same samples, or what an
intervention would do that nobody tried. Nor does a path without a barrier on the data as they are say that its ends are alike: look at it under
every intervention.

Points of a field under each intervention are paired: interventions() changes the inputs and leaves samples, splits and blocks as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points, rounded
from explorer.core.spec import ProblemSpec
from explorer.stats.intervals import Estimate, Means, mean, simultaneous

KEPT = "kept"  # the intervention that is none: the data as they are
ERROR = 1  # its place among the metrics of a field, after the loss


def interventions(problem: ProblemSpec) -> dict[str, ProblemSpec]:
    """The problem under every choice of its data's option `cue`, by name; empty where the data source has no cue to intervene on."""
    cue = {option.name: option for option in registry.options("data", problem.data.name)}.get("cue")
    if cue is None or KEPT not in cue.choices:
        return {}
    given = problem.data.kwargs()
    return {str(c): replace(problem, data=registry.method("data", problem.data.name, {**given, "cue": c})) for c in cue.choices}


def response(kept: Points, changed: Points, t: float, metric: int = ERROR) -> Estimate:
    """By how much an intervention raises a metric at one t of a path, with the paired 95 % interval over blocks; NaN where the model diverged."""
    return mean(_response(kept, changed, t, metric), kept.counts, counted=metric == ERROR)


def similarity(by_intervention: Mapping[str, Points], t: tuple[float, float] = (0.0, 1.0)) -> Estimate:
    """How alike the models at two t of a path respond; the points are by intervention, "kept" among them.

    The interval. With d_i = r_i(θ) − r_i(θ′) and D = max_i |d_i|: every d_i gets an interval so wide that all of them hold at once in 95 % of cases. D then
    lies between the largest of their smallest sizes and the largest of their largest, and 1 − D likewise. Models that no sample told apart do not give
    [1, 1]: n samples exclude only differences above about 4/n.
    """
    if KEPT not in by_intervention or len(by_intervention) < 2:
        raise Refused(f"Points under '{KEPT}' and under at least one other intervention are needed; got {', '.join(by_intervention) or 'none'}.")
    kept = by_intervention[KEPT]
    others = [points for name, points in by_intervention.items() if name != KEPT]
    apart = np.stack([_response(kept, changed, t[0], ERROR) - _response(kept, changed, t[1], ERROR) for changed in others])
    found = Means(apart, kept.counts, counted=True)
    quantile = simultaneous(found)
    low, high = found.low(quantile), found.high(quantile)
    least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high))).max()
    most = np.maximum(np.abs(low), np.abs(high)).max()
    return Estimate(float(1 - np.abs(found.value).max()), float(np.clip(1 - most, -1.0, 1.0)), float(1 - least))


def _response(kept: Points, changed: Points, t: float, metric: int) -> Array:
    """(B,) change of a metric's sum in each block."""
    if not np.array_equal(kept.counts, changed.counts) or not len(kept.counts):
        raise Refused("The points were not measured in the same blocks of samples; a response compares sample by sample. Measure both alike.")
    return _at(changed, t, metric) - _at(kept, t, metric)


def _at(points: Points, t: float, metric: int) -> Array:
    """(B,) a metric's sums at the point t; NaN throughout where one of them is not finite."""
    (found,) = np.nonzero((rounded(points.coords) == rounded(np.array([t]))).all(axis=1))
    if not found.size:
        raise Refused(f"There is no point at t = {t:g} under every intervention. Measure it there first.")
    sums = points.values[found[0], metric]
    return sums if np.isfinite(sums).all() else np.full_like(sums, np.nan)
