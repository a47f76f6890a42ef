"""Models side by side, each with what it took: from the lowest validation error to the highest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explorer.facts import Made
from explorer.figures import units
from explorer.points import Points
from explorer.statistics import band, difference

ERROR = 1  # its column among the metrics
INGREDIENT, REFERENCE = "ingredient", "reference, several models"


@dataclass(frozen=True, eq=False)
class Seen:
    """A measured model, or several that answer together: one point on each split."""

    name: str
    kind: str
    val: Points
    test: Points
    took: Made | None = None
    needs: str = ""


def table(seen: Sequence[Seen], unit: str) -> pd.DataFrame:
    """One row for each model, from the lowest validation error to the highest; the best is the lowest of those that are one model. unit: the loss's."""
    if not any(one.kind != REFERENCE for one in seen):
        return pd.DataFrame()

    def chosen(one: Seen) -> float:
        error = float(one.val.means()[0, ERROR])
        return error if np.isfinite(error) else np.inf

    ordered = sorted(seen, key=chosen)
    best = next(one for one in ordered if one.kind != REFERENCE)
    single = next((one for one in ordered if one.kind == INGREDIENT), None)
    rows: list[dict[str, object]] = []
    for one in ordered:
        low, high = band(one.test, ERROR)
        loss_low, loss_high = band(one.test, 0)
        mean = one.test.means()[0]
        apart = difference(one.test, best.test, ERROR)
        row: dict[str, object] = {
            "model": one.name,
            "": one.kind,
            "val error (%)": 100 * chosen(one),
            "test error (%), 95 %": f"{100 * mean[ERROR]:.2f} [{100 * low[0]:.2f}, {100 * high[0]:.2f}]",
            f"{units.titled('test loss', unit)}, 95 %": f"{mean[0]:.4g} [{loss_low[0]:.4g}, {loss_high[0]:.4g}]",
            "indistinguishable from the best": bool(apart.low <= 0),
        }
        if single is not None:
            gain = difference(one.test, single.test, ERROR)
            row["minus the best ingredient (points)"] = (
                "" if one is single else f"{100 * gain.value:+.2f} [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"
            )
        rows.append({**row, **_cost(one)})
    return pd.DataFrame(rows)


def _cost(one: Seen) -> dict[str, object]:
    took = one.took
    memory = None if took is None or took.memory is None else took.memory / 2**20
    return {"made in (s)": None if took is None else took.seconds, "memory (MiB)": memory, "needs": one.needs}


def copied(seen: Sequence[Seen]) -> str:
    """A sentence about integer tensors, which no method averages; empty where there are none."""
    took = next((one.took for one in seen if one.took is not None and one.took.counters), None)
    if took is None:
        return ""
    names = ", ".join(took.counters[:3]) + (f" and {len(took.counters) - 3} more" if len(took.counters) > 3 else "")
    differ = f"; the models differ in {len(took.differ)} of them" if took.differ else "; they are the same in all models"
    return f"Integer buffers are not averaged but the first model's: {names}{differ}."
