"""Models side by side, each with what it took: from the best on the validation split to the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.core.points import Points
from explorer.stats import units
from explorer.stats.barriers import difference, level
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


def table(seen: Sequence[Candidate], unit: str, by: Measure = ERROR) -> pd.DataFrame:
    """One row for each model, from the lowest validation error (or loss) on; the best is the lowest of those that are one model. unit: the loss's."""
    if not any(one.kind != REFERENCE for one in seen):
        return pd.DataFrame()

    def chosen(one: Candidate) -> float:
        value = float(one.val.means()[0, by.column])
        return value if np.isfinite(value) else np.inf

    ordered = sorted(seen, key=lambda one: (chosen(one), float(np.nan_to_num(one.val.means()[0, 0], nan=np.inf))))
    best = next(one for one in ordered if one.kind != REFERENCE)
    single = next((one for one in ordered if one.kind == INGREDIENT), None)
    rows: list[dict[str, object]] = []
    for one in ordered:
        apart = difference(one.test, best.test, by.column)
        row: dict[str, object] = {
            "model": one.name,
            "": one.kind,
            f"val {by.title}": by.scale * chosen(one),
            f"test {by.title}, 95 %": by.formatted(level(one.test, by.column)),
            **({f"{units.titled('test loss', unit)}, 95 %": level(one.test, 0).formatted()} if by.metric == "error" else {}),
            "indistinguishable from the best": bool(apart.low <= 0),
        }
        if single is not None:
            gain = difference(one.test, single.test, by.column)
            row[f"minus the best ingredient{by.apart}"] = "" if one is single else by.formatted(gain, signed=True)
        rows.append({**row, **_cost(one)})
    return pd.DataFrame(rows)


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
