"""What lessons read from points: barriers, single values with their intervals, and which of several ranges a number lies in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Points, rounded
from explorer.core.spec import Aligned, Attack, Buffers, Connected, Field, Method, ProblemSpec, Recipe, Run, SplitName
from explorer.figures.bars import Bar
from explorer.lessons import Shelf
from explorer.stats.barriers import Barrier, band, barrier

LOSS, ERROR = 0, 1  # columns of the metrics
MLPS = "digits-mlp"
SEEDS = ((0, 1), (2, 3), (1, 4))  # pairs of the five digits MLPs
TASK_FAMILY, TRUNK = "digits-tasks", "trunk"
TASKS = ("upright", "turned", "inverted")  # of its three tasks: a test set each, and the fine-tune of its name
PAIRS = tuple(f"digits MLP, seeds {a} and {b}" for a, b in SEEDS)


def path(
    problem: ProblemSpec, corners: Sequence[Recipe], *, chart: str = "line", buffers: Buffers = "recalibrate", attack: Attack | None = None
) -> Run:
    """The request to measure a path, as finely as its barrier needs."""
    field = Field(problem, tuple(corners), registry.method("chart", chart), buffers=buffers, attack=attack)
    return Run(field, registry.method("sample", "adaptive"))


def matched(problem: ProblemSpec, models: tuple[Recipe, ...], method: str) -> Run:
    """The line from the first model to the second after an alignment."""
    return path(problem, Aligned.every(problem, models, registry.method("align", method)))


def connected(problem: ProblemSpec, models: tuple[Recipe, ...], method: Method, *, attack: Attack | None = None) -> Run:
    """The path that a connecting method trains between two models."""
    corners = Connected.every(problem, models, method, registry.corners_of(method))
    return path(problem, corners, chart=registry.chart_of(method.name), attack=attack)


def pair(shelf: Shelf, variant: int) -> tuple[ProblemSpec, tuple[Recipe, Recipe]]:
    """Two digits MLPs from different seeds."""
    a, b = SEEDS[variant]
    return shelf.problem(MLPS), (shelf.model(MLPS, f"seed-{a}"), shelf.model(MLPS, f"seed-{b}"))


def mixtures(problem: ProblemSpec, corners: Sequence[Recipe], shares: Sequence[Sequence[float]], *, split: SplitName = "test") -> Run:
    """The request to measure some mixtures of models."""
    field = Field(problem, tuple(corners), registry.method("chart", "mixture"), split=split)
    return Run(field, registry.method("sample", "given", {"at": tuple(float(w) for row in shares for w in row)}))


def found(points: Points, metric: int = LOSS) -> Barrier:
    """The barrier of a path. Refused when an end has no finite value."""
    result = barrier(points, metric, name=("loss", "error")[metric])
    if result is None:
        raise Refused("An end of this path has no finite loss, so it has no barrier. The shipped models have one: register them again.")
    return result


def at(points: Points, *place: float) -> Points:
    """The one point at a place."""
    (here,) = np.nonzero((rounded(points.coords) == rounded(np.array(place))).all(axis=1))
    if not len(here):
        raise Refused(f"The point at {place} is not measured yet. Run the experiment to its end.")
    return Points(points.coords[here[:1]], points.values[here[:1]], points.counts)


def row(name: str, point: Points, metric: int = ERROR, *, strong: bool = False) -> Bar:
    """A single point's mean with its interval; errors in per cent."""
    scale = 100.0 if metric == ERROR else 1.0
    low, high = band(point, metric)
    return Bar(name, scale * float(point.means()[0, metric]), scale * float(low[0]), scale * float(high[0]), strong)


def rank(value: float, edges: Sequence[float]) -> int:
    """In which of the ranges between rising edges a value lies: 0 below the first one."""
    return int(np.searchsorted(edges, value, side="right"))


def nat(height: Barrier) -> str:
    """A barrier of the loss with its interval."""
    return height.height.formatted(unit="nat")
