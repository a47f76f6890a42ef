"""Which places of a picture on some of the samples may be its lowest or its highest, and the request for all samples there.

The extremes of a picture are chosen among many values, each as sure as its samples make it. Places are compared sample by sample: one whose difference
from the extreme has a 95 % interval with 0 in it is not told apart from it. Where a picture has a deep valley these are few, and only they need more
samples. The interval is each place's own, not one of all places at once. Plain numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from explorer.core import registry
from explorer.core.points import Array, Points, missing, rounded
from explorer.core.spec import Field, Run
from explorer.stats.intervals import Means, are_counts
from explorer.stats.metrics import column
from explorer.stats.preview_confirmation import is_preview

MOST = 16  # places at either end, those nearest to it
AT_ONCE = 256  # places whose blocks are in memory together


def candidate_extremes(sums: Points, blocks: Callable[[NDArray[np.intp]], Points] | None = None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Points with one metric → (≤ MOST,) those that may be the lowest, the lowest itself first, and (≤ MOST,) those that may be the highest.

    blocks: reads those of some rows, where the points have their blocks taken together as one; as many are read as it takes.
    """
    means = sums.means()[:, 0]
    if not np.isfinite(means).any():
        none = np.empty(0, np.intp)
        return none, none
    means = np.where(np.isfinite(means), means, np.nan)

    def those(rows: NDArray[np.intp]) -> Points:
        return replace(sums, coords=sums.coords[rows], values=sums.values[rows])

    read = blocks or those
    return _near(means, read, int(np.nanargmin(means)), 1.0), _near(means, read, int(np.nanargmax(means)), -1.0)


def deciding(field: Field, points: Points, metric: str, blocks: Callable[[Array], Points] | None = None) -> Run | None:
    """The run that measures them on all samples of the split. None where all were used, and of a preview, which is confirmed otherwise
    (explorer.stats.preview_confirmation). blocks: reads the points at (K, d) places, where `points` have theirs taken together as one."""
    if not field.samples or is_preview(field) or not len(points):
        return None

    def read(rows: NDArray[np.intp]) -> Points:
        some = replace(points, coords=points.coords[rows], values=points.values[rows]) if blocks is None else blocks(points.coords[rows])
        return column(some, field.metrics, metric)

    places = points.coords[np.concatenate(candidate_extremes(column(points, field.metrics, metric), read))]
    if not len(places):
        return None
    at = np.unique(rounded(places), axis=0)
    return Run(on_all(field), registry.method("sample", "given", {"at": tuple(float(c) for c in at.ravel())}))


def on_all(field: Field) -> Field:
    """The same field on all samples of its split."""
    return replace(field, samples=0)


def decided(run: Run, points: Points) -> Points | None:
    """The points of such a run, out of those of its field; None while one is missing."""
    places = rounded(np.reshape(np.array(run.sampler["at"], dtype=np.float64), (-1, registry.dimension(run.field))))
    if not len(points) or len(missing(places, points.coords)):
        return None
    wanted = {row.tobytes() for row in places}
    rows = [i for i, row in enumerate(rounded(points.coords)) if row.tobytes() in wanted]
    return replace(points, coords=points.coords[rows], values=points.values[rows])


def _near(means: Array, read: Callable[[NDArray[np.intp]], Points], extreme: int, sign: float) -> NDArray[np.intp]:
    """The rows nearest to the extreme that are not told apart from it, in this order; a place that diverged differs by no number, and is no candidate."""
    one = read(np.array([extreme])).values
    order = np.argsort(sign * (means - means[extreme]), kind="stable")[: np.isfinite(means).sum()]
    found: list[NDArray[np.intp]] = []
    for rows in (order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE)):
        some = read(rows)
        with np.errstate(invalid="ignore"):
            apart = Means(sign * (some.values - one)[:, 0], some.counts, are_counts(some.values))
        found.append(rows[apart.low() <= 0])
        if sum(map(len, found)) >= MOST:
            break
    return np.concatenate(found)[:MOST]
