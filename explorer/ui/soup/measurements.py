"""Some models to cook with, what is measured of them, and how their numbers read. For the Soup page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

import numpy as np

from explorer.core import registry, splits
from explorer.core.points import Array, Points
from explorer.core.spec import Field, Method, ProblemSpec, Recipe, Run, SplitName, Study
from explorer.stats.barriers import Barrier, barrier, level
from explorer.stats.intervals import Estimate
from explorer.stats.soup_analysis import TO_ALL, Drawn, row_of, singles, to_all
from explorer.stats.soup_analysis import rounds as rounds_of
from explorer.ui.widgets.selection_metric import Measure, measure_of

EXACT = 8  # models up to which every subset is measured
ORDERS = 20  # random orders beyond, at most

Rule = Literal["at_least", "better"]


@dataclass(frozen=True)
class Task:
    """One of the things that are measured, and what it is called."""

    name: str
    run: Run


@dataclass(frozen=True)
class Kitchen:
    """Some models and the rule by which the greedy soup is made.

    orders: how many random orders are drawn at most for the Shapley values of many models; within: at which ± of theirs, in the unit of the metric, it is
    enough, 0 where they are to add less to the intervals than the evaluation samples do.
    """

    problem: ProblemSpec
    models: tuple[Recipe, ...]
    rule: Rule = "at_least"
    orders: int = ORDERS
    within: float = 0.0

    def field(self, split: SplitName) -> Field:
        """All soups of the models on a split."""
        return self._fields[split]

    @cached_property
    def _fields(self) -> dict[SplitName, Field]:
        return {split: Field(self.problem, self.models, registry.method("chart", "mixture"), split=split) for split in splits.every(self.problem)}

    @cached_property
    def by(self) -> Measure:
        """The error; the loss where outputs are numbers, of which none is right or wrong."""
        return measure_of(self.problem)

    @property
    def greedy(self) -> Method:
        """The sampler of the greedy path."""
        return registry.method("sample", "greedy", {"rule": self.rule, "metric": self.by.metric})

    @property
    def exact(self) -> bool:
        """Whether every subset is measured."""
        return len(self.models) <= EXACT

    def worth(self, orders: int) -> Run:
        """The request for what each model is worth: exact for few of them, else from so many random orders."""
        how = {"which": "all"} if self.exact else {"which": "permutations", "count": orders}
        return Run(self.field("val"), registry.method("sample", "subsets", how))

    def rounds(self, drawn: Drawn | None) -> list[Task]:
        """The draws of random orders, as far as they are wanted by now: more of them as long as those that were drawn are not enough."""
        wanted = [] if self.exact else rounds_of(self.orders)[1:]
        had = drawn.orders if drawn is not None else 0
        more = next((r for r in wanted if r > had), 0) if drawn is not None and not drawn.enough(self.within) else 0
        return [Task(f"Shapley values, {r} orders", self.worth(r)) for r in wanted if r <= max(had, more)]

    @property
    def answers(self) -> Study:
        """The request to know where the models disagree."""
        return Study(self.problem, self.models, registry.method("study", "answers"))

    def tasks(self, *, whole: bool = False) -> list[Task]:
        """All that is measured, in the order in which it is looked at. whole: with all the random orders that may be drawn, not the first of them alone."""
        val, test = self.field("val"), self.field("test")
        aside = registry.method("sample", "subsets", {"which": "leave_one_out"})
        few = registry.method("sample", "given", {"at": tuple(float(v) for v in to_all(len(self.models)).ravel())}) if self.exact else None
        return [
            Task("greedy soup", Run(val, self.greedy)),
            Task("leaving one out", Run(val, aside)),
            Task("test split", Run(test, aside)),
            Task("Shapley values", self.worth(self.orders if whole else rounds_of(self.orders)[0])),
            *(Task(f"test set {splits.called(s)}", Run(self.field(s), aside)) for s in splits.tests(self.problem)[1:]),
            Task("on the way to the soup of all", Run(val, few or registry.method("sample", "subsets", {"which": "to_all"}))),
        ]

    @property
    def kinship(self) -> Study:
        """The request to know how the models relate in weight space."""
        return Study(self.problem, self.models, registry.method("study", "kinship"))

    def ensemble(self, split: SplitName) -> Study:
        """The request to know what all models say together."""
        return Study(self.problem, self.models, registry.method("study", "ensemble", {"split": split}))

    def studies(self) -> list[Study]:
        """What is asked for beside the points."""
        asked = [self.kinship, self.ensemble("val"), self.ensemble("test")]
        return [*asked, self.answers] if registry.labelled(self.problem.loss) else asked

    @classmethod
    def from_run(cls, run: Run, *, orders: int = ORDERS, within: float = 0.0) -> Kitchen:
        """The kitchen of a run's address."""
        rule = run.sampler.kwargs().get("rule", "at_least")
        return cls(run.field.problem, run.field.corners, cast("Rule", rule), orders, within)


def given(kitchen: Kitchen, split: SplitName, coords: tuple[float, ...]) -> Run:
    """The request for these soups."""
    return Run(kitchen.field(split), registry.method("sample", "given", {"at": coords}))


def to_the_soup(kitchen: Kitchen, val: Points, model: int) -> Barrier | None:
    """The barrier of the loss on the line from a model to the soup of all; None while a point is missing."""
    n = len(kitchen.models)
    one = singles(n)[model]
    soups = [one, *((1 - t) * one + t / n for t in TO_ALL), np.ones(n)]
    rows = [row_of(val, soup) for soup in soups]
    known = [r for r in rows if r is not None]
    if len(known) < len(rows):
        return None
    t = np.array([0.0, *TO_ALL, 1.0])[:, None]
    return barrier(Points(t, val.values[known], val.counts))


def known_together(status_result: object) -> Points | None:
    """The ensemble's sums as a point, from its study's result."""
    if not isinstance(status_result, dict):
        return None
    sums, counts = (np.array(cast("dict[str, object]", status_result)[k], dtype=np.float64) for k in ("ensemble", "counts"))
    return Points(np.ones((1, 1)), sums[None], counts)


def one(points: Points, i: int) -> Points:
    return Points(points.coords[i : i + 1], points.values[i : i + 1], points.counts)


def interval(points: Points, soup: Array, by: Measure) -> Estimate | None:
    """The measure of a soup with its interval, if it is measured."""
    if not len(points) or (i := row_of(points, soup)) is None:
        return None
    return level(one(points, i), by.column)


def shown(points: Points, soup: Array, by: Measure) -> float | None:
    value = interval(points, soup, by)
    return None if value is None else by.scale * value.value


def text(estimate: Estimate | None, by: Measure) -> str:
    return "" if estimate is None else by.formatted(estimate, signed=True)
