"""Models side by side, each with what it took: from the best on the validation split to the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.core.points import Points
from explorer.figures.bars import Bar
from explorer.stats import units
from explorer.stats.barriers import difference, level
from explorer.stats.intervals import Estimate
from explorer.store.records import Made
from explorer.ui.widgets.selection_metric import ERROR, Measure

INGREDIENT, REFERENCE = "ingredient", "several models"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A measured model, or several that answer together: one point on each split."""

    name: str
    kind: str
    val: Points
    test: Points
    took: Made | None = None
    needs: str = ""


@dataclass(frozen=True, eq=False)
class AgainstBest:
    """What was merged, against the best ingredient: paired differences on the test split, from the lowest validation error (or loss) on."""

    best: Candidate  # among the ingredients
    others: tuple[tuple[Candidate, Estimate], ...]  # with the difference of each from it

    def rows(self, by: Measure = ERROR) -> list[Bar]:
        """A bar for each difference; the model that the validation split would choose is the strong one."""
        chosen = self.chosen()
        return [Bar(one.name, by.scale * e.value, by.scale * e.low, by.scale * e.high, one is chosen) for one, e in self.others]

    def chosen(self) -> Candidate | None:
        """What has the lowest validation error (or loss) of the merged models."""
        return next((one for one, _ in self.others if one.kind == ""), None)

    def says(self, by: Measure = ERROR) -> str:
        """The answer in a sentence or two."""
        chosen = self.chosen()
        if chosen is None:
            return "No merged model is measured yet."
        gap = dict(self.others)[chosen]
        unit = "points of test error" if by.metric == "error" else "of test loss"
        value = gap.formatted(scale=by.scale, unit=unit, signed=True)
        if gap.high < 0:
            return f"Take **{chosen.name}**: it is **better** than {self.best.name}, the best of the models alone, by more than chance ({value})."
        if gap.low > 0:
            return f"Take **{self.best.name}** alone: the best merged model, {chosen.name}, is **worse** by more than chance ({value})."
        return f"**{chosen.name}** is the best merged model, and **no better or worse than chance explains** against {self.best.name}, the best of the models alone ({value})."


def against_best(seen: Sequence[Candidate], by: Measure = ERROR) -> AgainstBest | None:
    """All but the best ingredient, against it; None while no ingredient is measured."""
    ordered = _ordered(seen, by)
    best = next((one for one in ordered if one.kind == INGREDIENT), None)
    if best is None:
        return None
    return AgainstBest(best, tuple((one, difference(one.test, best.test, by.column)) for one in ordered if one is not best))


def table(seen: Sequence[Candidate], unit: str, by: Measure = ERROR) -> pd.DataFrame:
    """One row for each model, from the lowest validation error (or loss) on; the best is the lowest of those that are one model. unit: the loss's."""
    if not any(one.kind != REFERENCE for one in seen):
        return pd.DataFrame()

    ordered = _ordered(seen, by)
    best = next(one for one in ordered if one.kind != REFERENCE)
    single = next((one for one in ordered if one.kind == INGREDIENT), None)
    rows: list[dict[str, object]] = []
    for one in ordered:
        apart = difference(one.test, best.test, by.column)
        row: dict[str, object] = {
            "model": one.name,
            "": one.kind,
            f"val {by.title}": by.scale * _chosen_by(one, by),
            f"test {by.title}, 95 %": by.formatted(level(one.test, by.column)),
            **({f"{units.titled('test loss', unit)}, 95 %": level(one.test, 0).formatted()} if by.metric == "error" else {}),
            "indistinguishable from the best": bool(apart.low <= 0),
        }
        if single is not None:
            gain = difference(one.test, single.test, by.column)
            row[f"minus the best ingredient{by.apart}"] = "" if one is single else by.formatted(gain, signed=True)
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
    names = ", ".join(took.counters[:3]) + (f" and {len(took.counters) - 3} more" if len(took.counters) > 3 else "")
    differ = f"; the models differ in {len(took.differ)} of them" if took.differ else "; they are the same in all models"
    return f"Integer buffers are not averaged but the first model's: {names}{differ}."
