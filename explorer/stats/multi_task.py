"""One merged model for several tasks: how much of each task's own model is left, what tuning on one task does to another, and which merges nothing beats.

Values are shares of right answers where the problem has classes, else losses; of each task on its own test set, in blocks of samples. Differences are paired
sample by sample. What is left of a task's own model is the ratio of two shares (Ilharco et al. 2023's normalised accuracy), whose interval is that of the
paired mean of a − r·b, where r = ā/b̄, in units of b̄ (Fieller's and the delta method agree to first order). A mean over tasks takes their samples for
independent, which is exact where the sets share none. Plain numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.core.points import Array, Points
from explorer.stats.barriers import difference, level
from explorer.stats.intervals import Estimate, mean


@dataclass(frozen=True, eq=False)
class TaskTable:
    """Models × tasks. own: the row of each task's own model. value: in the metric itself; apart: paired, less the own model's; left: share of the own model's
    right answers, NaN under a loss. average: of `left` (of `apart` under a loss) over tasks."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    own: tuple[int, ...]
    value: tuple[tuple[Estimate, ...], ...]
    apart: tuple[tuple[Estimate, ...], ...]
    left: tuple[tuple[Estimate, ...], ...]
    average: tuple[Estimate, ...]
    counted: bool

    def merit(self) -> Array:
        """(models, tasks), higher is better: what is left, or the loss's difference with its sign turned."""
        rows = self.left if self.counted else self.apart
        sign = 1.0 if self.counted else -1.0
        return sign * np.array([[e.value for e in row] for row in rows])

    def front(self) -> list[int]:
        """The models that no other is at least as good as on every task and better on one."""
        merit = self.merit()
        beaten = [bool(((merit >= row).all(axis=1) & (merit > row).any(axis=1)).any()) or not np.isfinite(row).all() for row in merit]
        return [k for k, lost in enumerate(beaten) if not lost]


def table(models: Sequence[str], tasks: Mapping[str, Sequence[Points]], *, ingredients: int, counted: bool) -> TaskTable:
    """tasks: of each, a point (1, 1, B) for each model, of errors where `counted`, else of losses. The own model of a task is the ingredient of its name, else the
    one of the first `ingredients` that is best there."""
    own = tuple(owner(models[:ingredients], name, points[:ingredients]) for name, points in tasks.items())
    right = {name: [_right(p) if counted else p for p in points] for name, points in tasks.items()}
    value, apart, left = [], [], []
    for k in range(len(models)):
        value.append(tuple(level(points[k]) for points in right.values()))
        apart.append(tuple(difference(points[k], points[o]) for points, o in zip(right.values(), own, strict=True)))
        left.append(tuple(ratio(points[k], points[o]) if counted else _NOTHING for points, o in zip(right.values(), own, strict=True)))
    average = tuple(averaged(row) for row in (left if counted else apart))
    return TaskTable(tuple(models), tuple(tasks), own, tuple(value), tuple(apart), tuple(left), average, counted)


def interference(base: Mapping[str, Points], tuned: Sequence[Mapping[str, Points]]) -> tuple[tuple[Estimate, ...], ...]:
    """(tuned, tasks): how much worse each tuned model is on each task than the base, paired. Points of an error or a loss, (1, 1, B), by task."""
    return tuple(tuple(difference(one[task], points) for task, points in base.items()) for one in tuned)


def owner(ingredients: Sequence[str], task: str, points: Sequence[Points]) -> int:
    """Which ingredient is a task's own model."""
    if task in ingredients:
        return list(ingredients).index(task)
    values = np.array([float(p.means()[0, 0]) for p in points])
    return int(np.where(np.isfinite(values), values, np.inf).argmin())


def ratio(a: Points, b: Points) -> Estimate:
    """ā/b̄ of two paired points of one metric, with its 95 % interval; NaN where b̄ is zero."""
    first, second = a.values[0, 0], b.values[0, 0]
    below = float(second.sum() / b.counts.sum())
    if not below or not np.isfinite(first.sum()):
        return _NOTHING
    r = float(first.sum() / second.sum())
    around = mean(first - r * second, a.counts)
    return Estimate(r, r + around.low / below, r + around.high / below)


def averaged(row: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates: the parts of their intervals on either side add up in squares."""
    values, lows, highs = (np.array([getattr(e, end) for e in row]) for end in ("value", "low", "high"))
    middle = float(values.mean())
    return Estimate(
        middle,
        middle - float(np.sqrt(((values - lows) ** 2).sum())) / len(row),
        middle + float(np.sqrt(((highs - values) ** 2).sum())) / len(row),
    )


def _right(points: Points) -> Points:
    """Right answers from wrong ones."""
    return Points(points.coords, points.counts - points.values, points.counts)


_NOTHING = Estimate(float("nan"), float("nan"), float("nan"))
