"""Before merging: are these models mergeable? Barriers, cosines, conflicts of sign, and whether they have an ancestor in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer.core import registry
from explorer.core.points import Array
from explorer.core.spec import Aligned, Connected, Field, Fused, Recipe, Run, Shifted, Study, Trained
from explorer.figures import matrix
from explorer.figures import survey as survey_figure
from explorer.figures.report import Section
from explorer.stats import units
from explorer.stats.barriers import Barrier, barrier
from explorer.store.run_store import RunStore
from explorer.ui.compare.form import Comparison, Task
from explorer.ui.frame import shell
from explorer.ui.frame.run_set import active, progress
from explorer.ui.widgets.section import draw, fold, found, stands

MERGEABLE = "Are these mergeable?"
ALL_PAIRS = 6  # models up to which every pair is measured; beyond, each with the first
KIN, STRANGERS = 0.5, 0.2  # mean cosines between weight matrices: of fine-tunes some 0.9 and more, of independent trainings near 0


def kinship_of(comparison: Comparison) -> Study:
    """The request for distances and conflicts; differences from the first model where a method takes it for the base."""
    based = comparison.based and len(comparison.ingredients) > 2
    return Study(comparison.problem, comparison.ingredients, registry.method("study", "kinship", {"base": based}))


def lines_of(comparison: Comparison) -> list[Task]:
    """The straight lines between the models, on the validation split."""
    models = comparison.ingredients
    pairs = list(combinations(models, 2)) if len(models) <= ALL_PAIRS else [(models[0], m) for m in models[1:]]
    chart, sampler = registry.method("chart", "line"), registry.method("sample", "adaptive")
    return [Task(f"{_name(a)} – {_name(b)}", Run(Field(comparison.problem, (a, b), chart, split="val"), sampler)) for a, b in pairs]


def busy(store: RunStore, comparison: Comparison) -> bool:
    """Whether the check is under way."""
    statuses = [store.status(request.id) for request in (kinship_of(comparison), survey_of(comparison))]
    return any(s is not None and s.active for s in statuses) or active(store, lines_of(comparison))


def show(store: RunStore, comparison: Comparison) -> None:
    """The button, how far it is, and what it says."""
    if store.status(kinship_of(comparison).id) is None:
        with fold(MERGEABLE, icon=":material/rule:"):
            st.caption(
                "The barriers between the models, the angles and conflicts of sign between their weights, and whether they have a common ancestor."
            )
            st.button("Check", icon=":material/rule:", on_click=_check, args=(comparison,), key="compare-check")
        return
    stands(store, [("Distances and conflicts", kinship_of(comparison)), ("Layer by layer", survey_of(comparison))])
    progress(store, lines_of(comparison), key="mergeable")
    if (made := section(store, comparison)) is not None:
        draw(made, key="compare-mergeable", icon=":material/rule:")
    if (made := layers_section(store, comparison)) is not None:
        draw(made, key="compare-survey", icon=":material/layers:")


def survey_of(comparison: Comparison) -> Study:
    """The request to compare the models layer by layer with the first one."""
    return Study(comparison.problem, comparison.ingredients, registry.method("study", "survey"))


def layers_section(store: RunStore, comparison: Comparison) -> Section | None:
    """Layers × models: sizes, cosines, conflicts and ranks of the changes from the first model."""
    result = found(store, survey_of(comparison))
    if result is None:
        return None
    layers, names = cast("list[str]", result["layers"]), [_name(m) for m in comparison.ingredients]
    norm, cosine, against, rank = (
        np.array([[np.nan if v is None else v for v in row] for row in cast("list[list[float | None]]", result[key])])
        for key in ("norm", "cosine", "against", "rank")
    )
    worst = int(np.nanargmax(np.nanmean(against, axis=1))) if np.isfinite(against).any() else 0
    finding = (
        f"Signs oppose one another most in {layers[worst]}: {100 * np.nanmean(against[worst]):.0f} % of the changes' magnitude lies in entries whose sum has"
        " the other sign."
        if np.isfinite(against).any()
        else f"Nothing differs from {names[0]}."
    )
    words = f"What each model changed of {names[0]}, layer by layer. A stable rank near 1 is a change in one direction."
    rows = [
        {
            "layer": layer,
            "model": name,
            "change / base": norm[i, k],
            "cosine": cosine[i, k],
            "against the elected sign (%)": 100 * against[i, k],
            "stable rank": rank[i, k],
        }
        for i, layer in enumerate(layers)
        for k, name in enumerate(names[1:])
    ]
    figure = survey_figure.figure(layers, names[1:], survey_figure.panels(norm, cosine, against, rank))
    return Section("Layer by layer", words, pd.DataFrame(rows).round(4), figure, finding=finding)


def _check(comparison: Comparison) -> None:
    shell.submit(kinship_of(comparison))
    shell.submit(survey_of(comparison))
    for task in lines_of(comparison):
        shell.submit(task.run)


def section(store: RunStore, comparison: Comparison) -> Section | None:
    """What is known before anything is merged; None before it is measured."""
    result = found(store, kinship_of(comparison))
    if result is None:
        return None
    models, names = comparison.ingredients, [_name(m) for m in comparison.ingredients]
    gram, matrices = (np.array(result[k], dtype=np.float64) for k in ("gram", "matrices"))
    based = bool(kinship_of(comparison).method["base"])
    unit = units.of_gap(comparison.problem, "loss")
    rows, barriers = _pairs(store, comparison, gram, result, based, unit)
    sentences = [ancestor(models, matrices, names), _conflicts(result, names[0], based)]
    figure = matrix.figure(cosines(gram, based=based), names[based:], title="Cosines of the differences" if based else "Cosines", signed=True)
    words, drawn = " ".join(t for t in sentences if t), figure if len(names) > 1 + based else None
    return Section(MERGEABLE, words, pd.DataFrame(rows), drawn, finding=_climbs(barriers, unit))


def cosines(gram: Array, *, based: bool) -> Array:
    """Between the models as vectors from zero; with a base, between the differences of the others from the first."""
    if based:
        gram = (gram - gram[:1] - gram[:, :1] + gram[0, 0])[1:, 1:]
    length = np.sqrt(np.maximum(np.diag(gram), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return gram / np.outer(length, length)


def _pairs(
    store: RunStore, comparison: Comparison, gram: Array, result: dict[str, object], based: bool, unit: str
) -> tuple[list[dict[str, object]], list[tuple[str, Barrier]]]:
    models, names = comparison.ingredients, [_name(m) for m in comparison.ingredients]
    square = np.diag(gram)[:, None] + np.diag(gram)[None] - 2 * gram
    angle = cosines(gram, based=based)
    opposite = cast("list[list[float | None]]", result["pairs"])
    rows: list[dict[str, object]] = []
    known: list[tuple[str, Barrier]] = []
    for task in lines_of(comparison):
        a, b = task.run.field.corners
        i, j = models.index(a), models.index(b)
        row: dict[str, object] = {"A": names[i], "B": names[j], "distance": round(float(np.sqrt(max(square[i, j], 0.0))), 3)}
        row["distance / length of A"] = round(float(np.sqrt(max(square[i, j], 0.0) / gram[i, i])), 3) if gram[i, i] > 0 else None
        if min(i, j) >= based:
            row["cosine"] = round(float(angle[i - based, j - based]), 3)
            share = opposite[i - based][j - based]
            row["opposite signs (%)"] = None if share is None else round(100 * share, 1)
        points, _ = store.points(task.run.field.id)
        if len(points) and (height := barrier(points)) is not None:
            known.append((task.name, height))
            row[f"{units.titled('barrier', unit)}, 95 %"] = height.height.formatted()
            row["a barrier"] = height.height.low > 0
        rows.append(row)
    return rows, known


def _climbs(barriers: Sequence[tuple[str, Barrier]], unit: str) -> str:
    if not barriers:
        return "Barriers are not measured yet."
    name, highest = max(barriers, key=lambda pair: pair[1].height.value)
    there = [n for n, b in barriers if b.height.low > 0]
    value = highest.height.formatted(unit=unit)
    if not there:
        seen = f"; the highest, {name}, is {value}" if highest.height.value > 0 else ""
        return f"No line shows a barrier{seen}, which speaks for averaging them."
    return f"{len(there)} of {len(barriers)} lines have a barrier, the highest {name}: {value}. Align the models first, or leave out the model behind it."


def _conflicts(result: dict[str, object], base: str, based: bool) -> str:
    share, cancelled = cast("float | None", result["share"]), cast("float | None", result["cancelled"])
    if share is None or cancelled is None:
        return ""
    what = f"the differences from {base}" if based else "the weights"
    return f"Of {what}, {100 * share:.0f} % have opposite signs in some two models, and {100 * cancelled:.0f} % of their magnitude cancels when they are added."


def ancestor(models: Sequence[Recipe], matrices: Array, names: Sequence[str]) -> str:
    """Whether the models have a common ancestor: by their recipes where these say so, else by how they lie. matrices: (n, n) inner products."""
    lines = [_line_of(m) for m in models]
    if shared := [r for r in lines[0] if all(any(r.id == o.id for o in line) for line in lines[1:])]:
        return f"By their recipes they all descend from {_name(shared[0])}."
    angle = cosines(matrices, based=False)
    mean = float(angle[~np.eye(len(angle), dtype=bool)].mean())
    square = np.diag(matrices)[:, None] + np.diag(matrices)[None] - 2 * matrices
    nearest = names[int(np.argmin(square.sum(axis=1)))]
    where = f"the mean cosine of their weight matrices is {mean:.2f}"
    if mean > KIN:
        return f"Their distances are those of models with one ancestor ({where}); nearest to all is {nearest}."
    if mean < STRANGERS:
        return f"Their distances are those of models trained from different initialisations ({where}): align them before merging."
    return f"Whether they have a common ancestor cannot be decided from their distances ({where})."


def _line_of(recipe: Recipe) -> list[Recipe]:
    """The model itself and those it was made from, the latest first, as far as recipes tell."""
    match recipe:
        case Trained(start=start) if start is not None:
            return [recipe, *_line_of(start)]
        case Aligned(models=models, which=which):
            return [recipe, *_line_of(models[which])]
        case Shifted(base=base):
            return [recipe, *_line_of(base)]
        case Fused(models=models) | Connected(ends=models):
            return [recipe, *(r for m in models for r in _line_of(m))]
        case _:
            return [recipe]


def _name(model: Recipe) -> str:
    return model.name or model.id
