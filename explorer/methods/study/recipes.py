"""Search: the merge of these models that is best on the validation split, over methods and their numbers. The first model is the base.

Every candidate is a merged model, measured on the validation split in the blocks in which everything else is, and kept in the store: a search that was
stopped resumes where it was, several workers share it, and the answer is the same as without either (explorer.methods.study._proposals says what is tried).
What is searched is said by `methods`, `ranges`, `each` and `layers` (explorer.core.recipe_space).

The best candidate is chosen on the validation split, on which it therefore looks too good: `optimism` says by how much (explorer.stats.search_optimism). Its value
on the test split has not been chosen by, and is what is to be reported, with its paired difference from the best model by itself, chosen on the validation split
too. The front holds the candidates that no other is at least as good as with a smaller change from the first model, ‖θ − θ₀‖/‖θ₀‖; they are measured
on the test split as well, and so are the models as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np

from explorer.checkpoints.weights import Weights
from explorer.core import splits
from explorer.core.candidates import Candidate, Measure
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.progress import Progress, quiet
from explorer.core.recipe_space import spaces
from explorer.core.registry import Range
from explorer.core.spec import Json, Method
from explorer.methods.study._proposals import Proposal, propose, suits
from explorer.problems.problem import Problem
from explorer.stats import metrics
from explorer.stats.barriers import difference, level
from explorer.stats.search_optimism import front, optimism


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    methods: tuple[str, ...] = ("task_arithmetic", "ties", "lines"),
    sampler: Literal["tpe", "cmaes", "random"] = "tpe",
    trials: Annotated[int, Range(1, 100000)] = 60,
    together: Annotated[int, Range(1, 1000)] = 4,
    metric: str = "loss",
    ranges: tuple[str, ...] = (),
    each: bool = False,
    layers: Annotated[int, Range(1, 100)] = 1,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    measure: Measure,
    tell: Callable[[Sequence[tuple[Method, float, float]]], None],
    progress: Progress = quiet,
) -> Json:
    """{"metric", "tried", "trials": [{"method", "value", "moved"}], "best", "front", "val", "optimism", "corrected", "test", "alone", "against", "difference", "sets"}.

    `best` and `front` are indices of `trials`; `test` has the candidates of the front and the best as [index, value, low, high]; `alone` each model as it is on
    the test split, [value, low, high]; `against` is the index of the best model by itself; `sets` has test, alone and difference of each test set with a name.
    Refused when there is nothing to search, or the metric is an exponential or has no better side.
    """
    found = metrics.find(metric)
    if found.exponential or not found.good:
        why = "is an exponential; search for the loss, whose exponential it is" if found.exponential else "does not say which values are better"
        raise Refused(f"A search needs a metric of which less, or more, is better, and {found.called} {why}.")
    field = spaces(methods, len(models), ranges=ranges, each=each, layers=layers)
    suits(field, sampler)
    sums = metrics.needed("loss", "error", metric)
    sign = -1.0 if found.good == "high" else 1.0

    def column(points: Points) -> Points:
        return metrics.column(points, sums, metric)

    def measured(wanted: Sequence[Method | int], split: str) -> list[Candidate]:
        return measure(wanted, split=split, samples=samples if split == "val" else 0, metrics=sums)

    tried: list[tuple[Proposal, Method, Candidate]] = []
    values: list[float] = []
    while len(tried) < trials:
        progress(len(tried), trials, f"candidate {len(tried) + 1} of {trials}")
        batch = propose(field, [(p, sign * v) for (p, _, _), v in zip(tried, values, strict=True)], sampler=sampler, seed=seed, together=together)
        batch = batch[: trials - len(tried)]
        wanted = [field[p.space].at(p.numbers) for p in batch]
        tried += [*zip(batch, wanted, measured(wanted, "val"), strict=True)]
        values += [float(column(c.points).means()[0, 0]) for _, _, c in tried[len(values) :]]
        tell([(m, v, c.moved) for (_, m, c), v in zip(tried, values, strict=True)])
    progress(trials, trials, "measuring the best on the test split")
    merit = np.array([sign * v if np.isfinite(v) else np.inf for v in values])
    if not np.isfinite(merit).any():
        raise Refused("No candidate has a finite value. Narrow the ranges, or check that the models were fine-tuned from the first one.")
    best = int(merit.argmin())
    on_front = front(merit, np.array([c.moved for _, _, c in tried]))
    alone = measured([*range(len(models))], "val")
    against = int(np.argmin([sign * float(column(c.points).means()[0, 0]) for c in alone]))
    val = column(tried[best][2].points)
    over = sign * optimism(np.stack([sign * column(c.points).values[0, 0] for _, _, c in tried]), val.counts)
    kept = sorted({best, *on_front})
    sets: dict[str, Json] = {}
    for split in splits.tests(problem.spec):
        ours = dict(zip(kept, (column(c.points) for c in measured([tried[k][1] for k in kept], split)), strict=True))
        theirs = [column(c.points) for c in measured([*range(len(models))], split)]
        apart = difference(ours[best], theirs[against])
        sets[splits.called(split)] = {
            "test": [[k, *_interval(points)] for k, points in ours.items()],
            "alone": [[*_interval(points)] for points in theirs],
            "difference": [_plain(apart.value), _plain(apart.low), _plain(apart.high)],
        }
    reported = sets.pop("test")
    assert isinstance(reported, dict)
    return {
        "metric": metric,
        "tried": len(tried),
        "trials": [{"method": m.to_json(), "value": _plain(v), "moved": _plain(c.moved)} for (_, m, c), v in zip(tried, values, strict=True)],
        "best": best,
        "front": [*on_front],
        "val": [*_interval(val)],
        "optimism": _plain(over),
        "corrected": _plain(values[best] + over),
        "against": against,
        **reported,
        "sets": sets,
    }


def _interval(points: Points) -> tuple[float | None, float | None, float | None]:
    found = level(points)
    return _plain(found.value), _plain(found.low), _plain(found.high)


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
