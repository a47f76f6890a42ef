"""Models measured as they are: checkpoints, soups, snapshots, points of a picture."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import numpy as np

from explorer.api import _measuring, _summaries
from explorer.api._keywords import Measuring, Model, takes
from explorer.api._result_parts import caution, measured_name
from explorer.api._shown import Shown, Summary
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Run
from explorer.figures import line as line_figure
from explorer.stats import metrics
from explorer.stats.barriers import difference
from explorer.stats.intervals import Estimate
from explorer.stats.preview_confirmation import Confirmed


@dataclass(frozen=True, repr=False)
class Models(Shown):
    """Measured models: `points` holds one point for each, in their order."""

    run: Run
    points: Points
    again: Confirmed | None = None  # of a preview: what was measured again in float32
    doubts: tuple[str, ...] = ()  # what makes their numbers doubtful, a sentence each

    def value(self, which: int = 0, metric: str = "loss") -> Estimate:
        """A metric of a model with its 95 % interval, in the metric's own numbers: an error of 0.02 is 2 %. `which`: the model, from 0."""
        point, metric = self._point(which), self._known(metric)
        measured = self.run.field.metrics
        (low,), (high,) = metrics.interval(point, measured, metric)
        return Estimate(float(metrics.means(point, measured, metric)[0]), float(low), float(high))

    def difference(self, which: int, than: int = 0, metric: str = "loss") -> Estimate:
        """How much higher a metric of one model is than that of another, paired sample by sample, with its 95 % interval. Refused for an exponential, which is
        no mean."""
        if metrics.find(self._known(metric)).exponential:
            raise Refused(
                f"A difference of {metric} has no paired interval: it is not a mean over samples. Ask for that of the loss, whose exponential it is."
            )
        return difference(self.blocks(which, metric), self.blocks(than, metric))

    def blocks(self, which: int = 0, metric: str = "loss") -> Points:
        """A metric of a model in blocks of samples, the same for all models: values of shape (1, 1, blocks). What paired differences are worked out from."""
        return metrics.column(self._point(which), self.run.field.metrics, self._known(metric))

    def caution(self) -> str:
        """What must be known of a preview, and of models whose numbers are doubtful; empty for others."""
        return caution(self.run.field, self.again, self.doubts)

    def _point(self, which: int) -> Points:
        if not 0 <= which < len(self.run.field.corners):
            raise Refused(f"There is no model {which} here. The models are 0 … {len(self.run.field.corners) - 1}.")
        points = line_figure.quoted(self.run.field, self.points, self.again)
        row = int(np.flatnonzero((points.coords == np.eye(len(self.run.field.corners))[which]).all(axis=1))[0])
        return Points(points.coords[[row]], points.values[[row]], points.counts)

    def _known(self, metric: str) -> str:
        known = metrics.given(self.run.field)
        if (name := measured_name(self.run.field, metric)) not in known:
            raise Refused(
                f"There is no metric {metric!r} here. Measured: {', '.join(map(metrics.short, known))}; metrics={[metric]!r} measures another."
            )
        return name

    def _summary(self) -> Summary:
        return _summaries.of_models(self)


@takes(Measuring)
def look(*models: Model, **how: Unpack[Measuring]) -> Models:
    """Measure models as they are: each one's metrics with intervals, and paired differences between them.

    What was merged, trained or picked from a picture goes in like a checkpoint. Refused when the models are of different architectures.

    >>> ends = [f"sample_models/digits-mlp/seed-{i}.safetensors" for i in range(2)]
    >>> soup = fuse(*ends)
    >>> found = look(ends[0], soup)
    >>> print(f"{found.value(0).value:.2f} nats, and the soup's {found.value(1).value:.2f}")
    0.07 nats, and the soup's 0.82
    >>> found.difference(1).low > 0
    True
    """
    if not models:
        raise Refused("look needs models, got none.")
    spec, recipes = _measuring.brought(models, how, alike=True)
    field = _measuring.field(spec, recipes, registry.method("chart", "mixture"), how)
    alone = tuple(float(c) for c in np.eye(len(recipes)).ravel())
    run = Run(field, registry.method("sample", "given", {"at": alone}))
    points = _measuring.measured(run, how)
    return Models(run, points, _measuring.again(field, points, how), _measuring.doubts(field, how))
