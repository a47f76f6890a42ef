"""Experiments that a lesson in Markdown names: what each measures on the sample models, and how the answer is read from the points.

The keyword-only arguments of each are its lines in the front matter; what has no default is required.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Recipe, Run
from explorer.figures import line
from explorer.lessons import Bars, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, LOSS, at, found, matched, mixtures, path, rank, row
from explorer.stats.barriers import Barrier, difference, reduction

METRICS = {"loss": LOSS, "error": ERROR}
LINE, ALIGNED = "as they are", "aligned"


@dataclass(frozen=True)
class Read:
    """A named experiment with its options filled in. answers: how many choices it tells apart; choices: what they are called where the file says nothing."""

    experiment: Callable[[Shelf, int], Experiment]
    see: Callable[[Mapping[str, Points]], Outcome]
    answers: int
    choices: tuple[str, ...] = ()


def barrier(*, family: str, models: tuple[str, ...], edges: tuple[float, ...], align: str = "", metric: str = "loss") -> Read:
    """How high the barrier on the straight line between two models is, aligned or not. Its height lies between two of the edges: nat, or points of error."""
    column = _column(metric)
    _rising(edges)
    _aligner(align)

    def experiment(shelf: Shelf, variant: int) -> Experiment:
        run = _line(shelf, family, models, align)
        return Experiment({align or LINE: run}, Target("interpolate", {"run": run.id}))

    def see(measured: Mapping[str, Points]) -> Outcome:
        (points,) = measured.values()
        height = found(points, column)
        return Outcome(
            rank(_scale(metric) * height.height.value, edges),
            f"The barrier of the {metric} is **{_told(height, metric)}**, highest at t = {height.at:.2g}.",
            _picture(measured, metric),
        )

    return Read(experiment, see, len(edges) + 1)


def alignment(*, family: str, models: tuple[str, ...], align: str, edges: tuple[float, ...] = (0.1, 0.5), metric: str = "loss") -> Read:
    """What share of the barrier between two models an alignment leaves; 1 is all of it."""
    column = _column(metric)
    _rising(edges)
    _aligner(align)

    def experiment(shelf: Shelf, variant: int) -> Experiment:
        runs = {LINE: _line(shelf, family, models, ""), ALIGNED: _line(shelf, family, models, align)}
        return Experiment(runs, Target("align", {"run": runs[ALIGNED].id}))

    def see(measured: Mapping[str, Points]) -> Outcome:
        before, after = (found(measured[name], column) for name in (LINE, ALIGNED))
        left = after.height.value / before.height.value if before.height.value > 0 else float("nan")
        less = reduction(measured[LINE], measured[ALIGNED], column)
        assert less is not None  # both barriers are there
        unit = "nat" if metric == "loss" else "points"
        return Outcome(
            rank(left, edges),
            f"The barrier of the {metric} is **{_told(before, metric)}** as they are and **{_told(after, metric)}** aligned: {left:.0%} of it is left. It is lower by"
            f" {less.formatted(scale=_scale(metric), unit=unit)}, sample by sample.",
            _picture(measured, metric),
        )

    return Read(experiment, see, len(edges) + 1)


def soup(*, family: str, models: tuple[str, ...], metric: str = "loss") -> Read:
    """Whether the average of all models is better than the one that is best on the validation split: better, no detectable difference, worse."""
    column = _column(metric)
    if len(models) < 2:
        raise Refused(f"A soup needs at least two models, got {len(models)}.")
    ones = np.eye(len(models)).tolist()
    every = [1.0] * len(models)

    def experiment(shelf: Shelf, variant: int) -> Experiment:
        problem, corners = shelf.problem(family), _corners(shelf, family, models)
        runs = {split: mixtures(problem, corners, [*ones, every], split=split) for split in ("val", "test")}
        return Experiment(runs, Target("soup"))

    def see(measured: Mapping[str, Points]) -> Outcome:
        best = int(np.argmin([at(measured["val"], *one).means()[0, column] for one in ones]))
        alone = [at(measured["test"], *one) for one in ones]
        average = at(measured["test"], *every)
        apart = difference(average, alone[best], column)
        unit = "nat" if metric == "loss" else "points"
        rows = (*(row(name, point, column) for name, point in zip(models, alone, strict=True)), row("soup of all", average, column, strong=True))
        return Outcome(
            0 if apart.high < 0 else 2 if apart.low > 0 else 1,
            f"The soup minus the best model ({models[best]}, by validation): **{apart.formatted(scale=_scale(metric), unit=unit, signed=True)}** of {metric}.",
            Bars(rows, f"test {metric} ({'nat' if metric == 'loss' else '%'})"),
        )

    return Read(experiment, see, 3, ("better", "no detectable difference", "worse"))


def lesson(*, lesson: str, variant: int = 0) -> Read:
    """The experiment of one of the explorer's own lessons, on one of its variants, with its choices."""
    taught = registry.value("lesson", lesson)
    assert isinstance(taught, Lesson)
    if not 0 <= variant < len(taught.variants):
        raise Refused(f"The lesson {lesson} has {len(taught.variants)} variants, counted from 0; got {variant}.")
    return Read(lambda shelf, _: taught.experiment(shelf, variant), taught.see, len(taught.choices), taught.choices)


NAMED: Mapping[str, Callable[..., Read]] = {"barrier": barrier, "alignment": alignment, "soup": soup, "lesson": lesson}


def _corners(shelf: Shelf, family: str, models: tuple[str, ...]) -> tuple[Recipe, ...]:
    return tuple(shelf.model(family, name) for name in models)


def _line(shelf: Shelf, family: str, models: tuple[str, ...], align: str) -> Run:
    if len(models) != 2:
        raise Refused(f"A line needs two models, got {len(models)}: {', '.join(models) or 'none'}.")
    problem, corners = shelf.problem(family), _corners(shelf, family, models)
    return matched(problem, corners, align) if align else path(problem, corners)


def _column(metric: str) -> int:
    if metric not in METRICS:
        raise Refused(f"The metric must be one of {', '.join(METRICS)}, got {metric!r}.")
    return METRICS[metric]


def _aligner(name: str) -> None:
    if name and not registry.known("align", name):
        raise Refused(f"There is no alignment called {name!r}. There are: {', '.join(registry.names('align'))}.")


def _rising(edges: tuple[float, ...]) -> None:
    if not edges or list(edges) != sorted(set(edges)):
        raise Refused(f"The edges between the choices must be numbers that rise, such as [0.1, 1]; got {list(edges)}.")


def _scale(metric: str) -> float:
    return 100.0 if metric == "error" else 1.0


def _told(height: Barrier, metric: str) -> str:
    return height.height.formatted(scale=_scale(metric), unit="nat" if metric == "loss" else "points")


def _picture(measured: Mapping[str, Points], metric: str) -> Lines:
    curves = tuple(line.curve_of(points, metric, name=name.replace("_", " ")) for name, points in measured.items())
    return Lines(curves, "t (0 = the first model, 1 = the second)", f"test {metric} ({'nat' if metric == 'loss' else '%'})")
