"""What a search over merges found, in words: what was chosen, how good it is where it was not chosen, and what that says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from explorer.core import significant_digits
from explorer.core.spec import Json, Method, ProblemSpec
from explorer.stats import metrics, units
from explorer.stats.intervals import Estimate


@dataclass(frozen=True)
class Outcome:
    """What the study `recipes` gives, by name; indices are those of its `methods`. values, moved: NaN where a candidate diverged."""

    metric: str
    methods: tuple[Method, ...]
    values: tuple[float, ...]
    moved: tuple[float, ...]
    best: int
    front: tuple[int, ...]
    val: Estimate
    optimism: float
    corrected: float
    test: dict[int, Estimate]
    alone: tuple[Estimate, ...]
    against: int
    difference: Estimate
    sets: dict[str, Estimate]  # the best on each test set with a name
    sets_difference: dict[str, Estimate]


def outcome(found: Json) -> Outcome:
    """Read from the study's result."""
    said = cast("dict[str, Json]", found)
    trials = cast("list[dict[str, Json]]", said["trials"])
    best = cast("int", said["best"])
    sets = cast("dict[str, dict[str, list[list[float | None]]]]", said["sets"])
    return Outcome(
        str(said["metric"]),
        tuple(Method.from_json(t["method"]) for t in trials),
        tuple(_number(t["value"]) for t in trials),
        tuple(_number(t["moved"]) for t in trials),
        best,
        tuple(cast("list[int]", said["front"])),
        _estimate(said["val"]),
        _number(said["optimism"]),
        _number(said["corrected"]),
        {int(_number(row[0])): _estimate(row[1:]) for row in cast("list[list[Json]]", said["test"])},
        tuple(map(_estimate, cast("list[Json]", said["alone"]))),
        cast("int", said["against"]),
        _estimate(said["difference"]),
        {name: next(_estimate(cast("Json", row[1:])) for row in one["test"] if row[0] == best) for name, one in sets.items()},
        {name: _estimate(cast("Json", one["difference"])) for name, one in sets.items()},
    )


def numbers(method: Method) -> str:
    """A method's numbers as they are typed on the command line."""
    return ", ".join(f"{name}={_plain(value)}" for name, value in method.options if value not in ((), ""))


def says(found: Outcome, problem: ProblemSpec, names: Sequence[str]) -> list[str]:
    """Sentences: the choice and its test value, the difference from the best model alone, and how far the validation value was too good."""
    metric = metrics.find(found.metric)
    scale, unit, gap = units.scale(found.metric), units.of_level(problem, found.metric), units.of_gap(problem, found.metric)
    best, test = found.methods[found.best], found.test[found.best]
    sentences = [
        f"**{best.name.replace('_', ' ')}** with {numbers(best) or 'its defaults'} was chosen among {len(found.methods)} candidates on the validation split."
        f" Its test {metric.called} is **{test.formatted(scale=scale, unit=unit)}**."
    ]
    rival = names[found.against]
    apart = found.difference.formatted(scale=scale, unit=gap, signed=True)
    sentences.append(
        f"Against {rival}, the best model by itself on the validation split, that is {apart}, paired sample by sample: {_verdict(found, metric.good)}."
    )
    sentences += [
        f"On {name}: {value.formatted(scale=scale, unit=unit)}, against {rival} {found.sets_difference[name].formatted(scale=scale, unit=gap, signed=True)}."
        for name, value in found.sets.items()
    ]
    if np.isfinite(found.optimism):
        sentences.append(
            f"On the validation split it had {significant_digits.number(scale * found.val.value)}; the best of so many looks better by about"
            f" {significant_digits.number(scale * abs(found.optimism), 2)} on the samples that chose it, which leaves {significant_digits.number(scale * found.corrected)}."
        )
    return sentences


def _verdict(found: Outcome, good: str) -> str:
    low, high = found.difference.low, found.difference.high
    if not (np.isfinite(low) and np.isfinite(high)) or low <= 0 <= high:
        return "no detectable difference"
    return "the merge is better" if (high < 0) == (good == "low") else "the single model is better"


def _estimate(row: Json) -> Estimate:
    return Estimate(*map(_number, cast("list[Json]", row)))


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_plain, cast("tuple[object, ...]", value)))
    return (
        f"{value:g}"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
