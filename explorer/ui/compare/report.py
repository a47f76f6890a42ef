"""The comparison in words, and as one HTML file to keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from explorer.core.markdown import plain, spoken
from explorer.core.spec import Json
from explorer.figures.report import Section, page
from explorer.store.run_store import RunStore
from explorer.ui.compare import mergeable, studies, tasks
from explorer.ui.compare.form import Comparison, Entry
from explorer.ui.compare.table import REFERENCE, Candidate
from explorer.ui.widgets.recipe_view import as_json, as_python
from explorer.ui.widgets.selection_metric import ERROR, Measure, measure_of

NAMED = 5  # models in a sentence; more are counted


def says(rows: pd.DataFrame, by: Measure = ERROR) -> str:
    """The table in two sentences."""
    models = rows[rows[""] != REFERENCE]
    best = models.iloc[0]
    alike = [str(m) for m in models[models["indistinguishable from the best"]]["model"] if m != best["model"]]
    named = plain(", ".join(alike[:NAMED])) + (f" and {len(alike) - NAMED} more of {len(models) - 1}" if len(alike) > NAMED else "")
    others = f"Not measurably worse: {named}." if alike else "All others are worse by more than sampling error."
    found = str(best[f"test {by.title}, 95 %"]).replace(" [", " % [" if by.metric == "error" else " [")
    return f"**{plain(str(best['model']))}** has the lowest validation {by.metric}; its test {by.metric} is {found}. {others}"


def report(store: RunStore, comparison: Comparison, known: Sequence[Candidate], rows: pd.DataFrame, best: int | None, entry: Entry | None) -> str:
    """Everything that is known of the comparison by now, the looked-at model among it."""
    parts = [
        Section(
            "Which is best",
            spoken(says(rows, measure_of(comparison.problem)))
            + " Chosen on the validation split, reported on the test split, paired sample by sample.",
            rows,
        ),
        *tasks.sections(store, comparison, known),
        mergeable.section(store, comparison),
        mergeable.layers_section(store, comparison),
        studies.calibration(store, comparison),
        studies.classes(store, comparison, best) if best is not None else None,
        studies.interference(store, comparison, entry) if entry is not None and entry.method is not None else None,
        *(
            Section(f"Recipe: {e.name}", code=as_python(e.model, f"{e.name}.json") + "\n\n" + as_json(e.model))
            for e in comparison.entries
            if e.method is not None
        ),
    ]
    title = f"Merging {', '.join(m.name or m.id for m in comparison.ingredients)}"
    return page(title, [p for p in parts if p is not None], _data(comparison, known))


def _data(comparison: Comparison, known: Sequence[Candidate]) -> Json:
    """Recipes and numbers; sums over blocks are there, so that every interval can be taken again."""
    return {
        "problem": comparison.problem.to_json(),
        "recipes": [e.model.to_json() for e in comparison.entries],
        "models": [
            {
                "name": one.name,
                "kind": one.kind,
                "took": one.took.to_json() if one.took is not None else None,
                **{
                    split: {"counts": points.counts.tolist(), "loss": _plain(points.values[0, 0]), "error": _plain(points.values[0, 1])}
                    for split, points in (("val", one.val), ("test", one.test), *one.sets.items())
                },
            }
            for one in known
        ],
    }


def _plain(values: np.ndarray) -> list[Json]:
    return [float(v) if np.isfinite(v) else None for v in values]
