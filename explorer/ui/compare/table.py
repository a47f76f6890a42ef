"""Models side by side, each with what it took: from the best on the validation split to the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from explorer.core.markdown import plain
from explorer.core.points import Points
from explorer.figures.bars import Bar
from explorer.stats import units
from explorer.stats.barriers import level
from explorer.stats.intervals import Estimate
from explorer.stats.many_to_one import many_to_one
from explorer.store.records import Made
from explorer.ui.widgets.choose_models import BY_HAND
from explorer.ui.widgets.selection_metric import ERROR, Measure

INGREDIENT, REFERENCE = "ingredient", "several models"
DRAWN = 12  # differences in one picture


@dataclass(frozen=True, eq=False)
class Candidate:
    """A measured model, or several that answer together: one point on each split, and on each test set that the problem names."""

    name: str
    kind: str
    val: Points
    test: Points
    took: Made | None = None
    needs: str = ""
    sets: Mapping[str, Points] = field(default_factory=dict[str, Points])


@dataclass(frozen=True, eq=False)
class AgainstBest:
    """All others against the best ingredient: paired differences on the test split, from the lowest validation error (or loss) on."""

    best: Candidate  # among the ingredients
    others: tuple[tuple[Candidate, Estimate], ...]  # with the difference of each from it; the intervals hold together

    def rows(self, by: Measure = ERROR) -> list[Bar]:
        """A bar for each difference; the model that the validation split would choose is the strong one. Of many, what was merged and the first of the rest."""
        chosen = self.chosen()
        drawn = self.others
        if len(drawn) > DRAWN:
            merged = [one for one, _ in drawn if one.kind != INGREDIENT][:DRAWN]
            first = [one for one, _ in drawn if one.kind == INGREDIENT][: DRAWN - len(merged)]
            drawn = tuple((one, e) for one, e in drawn if one in merged or one in first)
        return [Bar(one.name, by.scale * e.value, by.scale * e.low, by.scale * e.high, one is chosen) for one, e in drawn]

    def chosen(self) -> Candidate | None:
        """What has the lowest validation error (or loss) of the merged models."""
        return next((one for one, _ in self.others if one.kind == ""), None)

    def says(self, by: Measure = ERROR) -> str:
        """The answer in a sentence or two."""
        chosen = self.chosen()
        if chosen is None:
            return self._says_alone(by)
        gap = dict(self.others)[chosen]
        unit = "points of test error" if by.metric == "error" else "of test loss"
        value = gap.formatted(scale=by.scale, unit=unit, signed=True)
        if gap.high < 0:
            return f"Take **{plain(chosen.name)}**: it is **better** than {plain(self.best.name)}, the best of the models alone, by more than chance ({value})."
        if gap.low > 0:
            return f"Take **{plain(self.best.name)}** alone: the best merged model, {plain(chosen.name)}, is **worse** by more than chance ({value})."
        return f"**{plain(chosen.name)}** is the best merged model, and **no better or worse than chance explains** against {plain(self.best.name)}, the best of the models alone ({value})."

    def _says_alone(self, by: Measure) -> str:
        """The answer where nothing was merged: which of the ingredients, and by how much."""
        rivals = [(one, e) for one, e in self.others if one.kind == INGREDIENT]
        if not rivals:
            return "No other model is measured yet."
        rival, gap = rivals[0]
        unit = "points of test error" if by.metric == "error" else "of test loss"
        value = gap.formatted(scale=by.scale, unit=unit, signed=True)
        chance = "more than chance explains" if gap.low > 0 or gap.high < 0 else "no more than chance explains"
        take = f"Take **{plain(self.best.name)}**: the next, {plain(rival.name)}, differs by {value}, **{chance}**."
        if len(rivals) == 1:
            return take
        better, worse = sum(e.high < 0 for _, e in rivals), sum(e.low > 0 for _, e in rivals)
        split = [f"{worse} are worse by more than chance"] + [f"{better} better, which the validation split did not show"] * bool(better)
        alike = len(rivals) - better - worse
        return f"{take} Of {len(rivals)} others, **{alike} cannot be told from it** on these samples; {' and '.join(split)}."


def against_best(seen: Sequence[Candidate], by: Measure = ERROR) -> AgainstBest | None:
    """All but the best ingredient, against it; None while no ingredient is measured."""
    ordered = _ordered(seen, by)
    best = next((one for one in ordered if one.kind == INGREDIENT), None)
    if best is None:
        return None
    rest = [one for one in ordered if one is not best]
    return AgainstBest(best, tuple(zip(rest, many_to_one([one.test for one in rest], best.test, by.column), strict=True)))


def table(seen: Sequence[Candidate], unit: str, by: Measure = ERROR) -> pd.DataFrame:
    """One row for each model, from the lowest validation error (or loss) on; the best is the lowest of those that are one model. unit: the loss's."""
    if not any(one.kind != REFERENCE for one in seen):
        return pd.DataFrame()

    ordered = _ordered(seen, by)
    best = next(one for one in ordered if one.kind != REFERENCE)
    single = next((one for one in ordered if one.kind == INGREDIENT), None)
    rows: list[dict[str, object]] = []
    tests = [one.test for one in ordered]
    gains = many_to_one(tests, single.test, by.column) if single is not None else [None] * len(ordered)
    for one, apart, gain in zip(ordered, many_to_one(tests, best.test, by.column), gains, strict=True):
        row: dict[str, object] = {
            "model": one.name,
            "": one.kind,
            f"val {by.title}": by.scale * _chosen_by(one, by),
            f"test {by.title}, 95 %": by.formatted(level(one.test, by.column)),
            **({f"{units.titled('test loss', unit)}, 95 %": level(one.test, 0).formatted()} if by.metric == "error" else {}),
            **{f"{name} {by.title}, 95 %": by.formatted(level(points, by.column)) for name, points in one.sets.items()},
            **{
                f"{units.titled(f'{name} loss', unit)}, 95 %": level(points, 0).formatted()
                for name, points in one.sets.items()
                if by.metric == "error"
            },
            "indistinguishable from the best": bool(apart.low <= 0),
        }
        if single is not None and gain is not None:
            name = f"minus the best ingredient{by.apart}"
            if len(ordered) > BY_HAND:  # numbers can be sorted
                _, low, high = gain.parts(scale=by.scale)
                row |= {name: by.scale * gain.value, f"{name}, 95 %": "" if one is single else f"[{low}, {high}]"}
            else:
                row[name] = "" if one is single else by.formatted(gain, signed=True)
        rows.append({**row, **_cost(one)})
    return pd.DataFrame(rows)


def _chosen_by(one: Candidate, by: Measure) -> float:
    value = float(one.val.means()[0, by.column])
    return value if np.isfinite(value) else np.inf


def _ordered(seen: Sequence[Candidate], by: Measure) -> list[Candidate]:
    """From the lowest validation error (or loss) on, among equal ones from the lowest loss."""
    return sorted(seen, key=lambda one: (_chosen_by(one, by), float(np.nan_to_num(one.val.means()[0, 0], nan=np.inf))))


def _cost(one: Candidate) -> dict[str, object]:
    took = one.took
    memory = None if took is None or took.memory is None else took.memory / 2**20
    return {"made in (s)": None if took is None else took.seconds, "memory (MiB)": memory, "needs": one.needs}


def copied(seen: Sequence[Candidate]) -> str:
    """A sentence about integer tensors, which no method averages; empty where there are none."""
    took = next((one.took for one in seen if one.took is not None and one.took.counters), None)
    if took is None:
        return ""
    names = plain(", ".join(took.counters[:3])) + (f" and {len(took.counters) - 3} more" if len(took.counters) > 3 else "")
    differ = f"; the models differ in {len(took.differ)} of them" if took.differ else "; they are the same in all models"
    return f"Integer buffers are not averaged but the first model's: {names}{differ}."
