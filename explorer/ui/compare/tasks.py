"""Several tasks: the table of models against test sets, what tuning on one does to another, the trade-off, and each task's landscape on one plane. Sections of Compare
and of its report, for problems that name two test sets or more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from explorer.core import registry, splits
from explorer.core.markdown import plain
from explorer.core.points import Array
from explorer.core.spec import Field, Run
from explorer.figures import matrix
from explorer.figures import tasks as tasks_figure
from explorer.figures.report import Section
from explorer.methods.chart.plane import window
from explorer.stats import units
from explorer.stats.multi_task import TaskTable, interference
from explorer.stats.multi_task import table as task_table
from explorer.store.run_store import RunStore
from explorer.ui.compare.form import Comparison, Task
from explorer.ui.compare.table import INGREDIENT, Candidate
from explorer.ui.frame import shell
from explorer.ui.frame.run_set import active, progress
from explorer.ui.widgets.section import draw, fold
from explorer.ui.widgets.selection_metric import Measure, measure_of

LANDSCAPE = "The landscape of each task"
ICONS = (":material/checklist:", ":material/call_split:", ":material/landscape:")  # of the sections, in their order
SIZE = 17  # points along each side of a task's plane


def sections(store: RunStore, comparison: Comparison, known: Sequence[Candidate]) -> list[Section]:
    """What is known by now; nothing for a problem of one task, or before its ingredients are measured on each."""
    by, names = measure_of(comparison.problem), [splits.called(s) for s in splits.tests(comparison.problem)[1:]]
    there = sorted((one for one in known if set(names) <= one.sets.keys()), key=lambda one: one.kind != INGREDIENT)
    ingredients = sum(one.kind == INGREDIENT for one in there)
    if len(names) < 2 or ingredients < len(comparison.ingredients):
        return []
    columns = {name: [replace(one.sets[name], values=one.sets[name].values[:, [by.column]]) for one in there] for name in names}
    found = task_table([one.name for one in there], columns, ingredients=ingredients, counted=by.metric == "error")
    made = [_methods(found, by), _transfer(there[:ingredients], names, by)]
    landscape = _landscape(store, comparison)
    return [*made, *([landscape] if landscape is not None else [])]


def show(store: RunStore, comparison: Comparison, known: Sequence[Candidate]) -> None:
    """The sections, and the button for what is not measured before somebody wants it."""
    made = sections(store, comparison, known)
    for (number, one), icon in zip(enumerate(made), ICONS, strict=False):
        draw(one, key=f"compare-tasks-{number}", icon=icon)
    runs = landscapes(comparison)
    if not made or not runs:
        return
    if all(store.status(task.run.id) is None for task in runs):
        with fold(LANDSCAPE, icon=ICONS[-1]):
            label = "Draw the landscape of each task"
            st.button(label, icon=":material/landscape:", on_click=_submit, args=(runs,), key="compare-task-planes")
    progress(store, runs, key="task-planes")


def busy(store: RunStore, comparison: Comparison) -> bool:
    """Whether a task's landscape is under way."""
    return active(store, landscapes(comparison))


def landscapes(comparison: Comparison) -> list[Task]:
    """The plane through the first three models after the base (through all three of three), under every task."""
    models = comparison.ingredients[-3:] if len(comparison.ingredients) < 4 else comparison.ingredients[1:4]
    sets = splits.tests(comparison.problem)[1:]
    if len(models) < 3 or len(sets) < 2:
        return []
    field = Field(comparison.problem, models, registry.method("chart", "plane"))
    sampler = registry.method("sample", "grid", {"size": SIZE})
    return [Task(splits.called(split), Run(replace(field, split=split), sampler)) for split in sets]


def _submit(runs: Sequence[Task]) -> None:
    for task in runs:
        shell.submit(task.run)


def _methods(found: TaskTable, by: Measure) -> Section:
    rows: list[dict[str, object]] = []
    front = found.front()
    for k, model in enumerate(found.models):
        row: dict[str, object] = {"model": model}
        for j, task in enumerate(found.tasks):
            own = found.own[j] == k
            row[f"{task}: {'accuracy (%)' if found.counted else 'loss'}"] = found.value[k][j].formatted(scale=100 if found.counted else 1)
            row[f"{task}: minus its own model"] = "its own" if own else found.apart[k][j].formatted(scale=100 if found.counted else 1, signed=True)
            if found.counted:
                row[f"{task}: of its own model (%)"] = "100" if own else found.left[k][j].formatted(scale=100)
        row["mean over tasks"] = found.average[k].formatted(scale=100 if found.counted else 1)
        row["on the front"] = k in front
        rows.append(row)
    owned = ", ".join(f"{found.models[o]} for {task}" for task, o in zip(found.tasks, found.own, strict=True))
    what = "the share of its own model's right answers that is left" if found.counted else "the loss minus its own model's"
    named = ", ".join(found.models[k] for k in front)
    words = (
        f"A task's own model is the ingredient of its name, else the best ingredient there: {owned}. The mean is of {what}; differences and shares are paired"
        " sample by sample."
    )
    finding = f"No other model is at least as good on every task as: {named}."
    figure = tasks_figure.trade_off(found)
    return Section("Task by task", words, pd.DataFrame(rows), figure.update_layout(height=380), finding=finding)


def _transfer(ingredients: Sequence[Candidate], names: Sequence[str], by: Measure) -> Section:
    """How much worse each ingredient is on each task than the first one, the base."""
    base, *tuned = ingredients
    values = np.full((len(tuned), len(names)), np.nan)
    rows: list[dict[str, object]] = []
    worst: list[tuple[float, str]] = []
    first, *others = ({name: replace(one.sets[name], values=one.sets[name].values[:, [by.column]]) for name in names} for one in ingredients)
    found = interference(first, others)
    for i, one in enumerate(tuned):
        row: dict[str, object] = {"tuned model": one.name}
        for j, name in enumerate(names):
            apart = found[i][j]
            values[i, j] = by.scale * apart.value
            row[f"{name}{by.apart}"] = by.formatted(apart, signed=True)
            if apart.low > 0:
                worst.append((apart.value, f"{one.name} on {name}: {by.formatted(apart, signed=True)}"))
        rows.append(row)
    worst.sort(reverse=True)
    listed = "; ".join(said for _, said in worst[:3])
    lost = (
        f"Beyond sampling error worse than {base.name}: {listed}{'; and more' * (len(worst) > 3)}."
        if worst
        else "No model lost a task by more than chance."
    )
    words = (
        f"How much the {by.metric} of each task changes when the base is tuned into each model, paired sample by sample; above zero is interference."
    )
    figure = matrix.grid(values, [one.name for one in tuned], list(names), title=f"{by.title} minus {base.name}'s") if tuned else None
    return Section("Interference between tasks", words, pd.DataFrame(rows), figure, finding=lost)


def _landscape(store: RunStore, comparison: Comparison) -> Section | None:
    """The measured planes; None before all of them are complete."""
    runs = landscapes(comparison)
    if not runs:
        return None
    known = store.field(runs[0].run.field.id)
    grids: list[Array] = []
    for task in runs:
        points = store.points(task.run.field.id)[0].sorted()  # by the first coordinate, then the second
        if known is None or len(points) < SIZE**2:
            return None
        grids.append(points.means()[:, 0].reshape(SIZE, SIZE).T)
    assert known is not None
    seen = window(known.gram)
    sides = np.linspace(0, 1, SIZE)
    x, y = (seen.places(np.stack([sides, sides], axis=1))[:, k] for k in (0, 1))
    names = [m.name or m.id for m in runs[0].run.field.corners]
    markers = [(name, float(at[0]), float(at[1])) for name, at in zip(names, seen.frame.corners, strict=True)]
    title = units.titled("test loss", units.of_level(comparison.problem, "loss"))
    figure = tasks_figure.planes([task.name for task in runs], x, y, grids, markers, z_title=title)
    words = f"The plane through {plain(', '.join(names))} under the test loss of each task, in one colour scale. Axes are distances in weight space."
    return Section(LANDSCAPE, words, None, figure)
