"""Soups: which ingredients make a good average, what each is worth, and what a soup of one's own choice is as good as. The Soup page.

All is read from two fields with the chart `mixture`, one on the validation split, where everything is chosen, and one on the test split, where it is
reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer import methods
from explorer.figures.curve import Curve
from explorer.points import Array, Points
from explorer.soups import Path, best_single, leave_one_out, row_of, sampled_shapley, shapley, singles, walk
from explorer.spec import Field, Method, ProblemSpec, Recipe, Run, SplitName, Study
from explorer.statistics import Estimate, band, difference
from explorer.store import RunStore
from explorer.ui import address, shell
from explorer.ui.curve import curve
from explorer.ui.download import download
from explorer.ui.families import choices, families, family_of, key_of
from explorer.ui.model_view import inspect, inspect_once, model_at, pick_active
from explorer.ui.several import active, asked_runs, progress, want

POLL_S = 0.5
EXACT = 8  # models up to which every subset is measured
ORDERS = 20  # random orders beyond
MOST = 20
FIRST = "finetunes"  # the sample family that a soup is made of at first
ERROR = 1  # its column among the metrics

Rule = Literal["at_least", "better"]


@dataclass(frozen=True)
class Task:
    """One of the things that are measured, and what it is called."""

    name: str
    run: Run


@dataclass(frozen=True)
class Kitchen:
    """Some models and the rule by which the greedy soup is made."""

    problem: ProblemSpec
    models: tuple[Recipe, ...]
    rule: Rule = "at_least"

    def field(self, split: SplitName) -> Field:
        """All soups of the models on a split."""
        return Field(self.problem, self.models, methods.method("chart", "mixture"), split=split)

    @property
    def greedy(self) -> Method:
        """The sampler of the greedy path."""
        return methods.method("sample", "greedy", {"rule": self.rule})

    @property
    def worth(self) -> Method:
        """The sampler of what each model is worth: exact for few of them."""
        return methods.method("sample", "subsets", {"which": "all"} if len(self.models) <= EXACT else {"which": "permutations", "count": ORDERS})

    @property
    def answers(self) -> Study:
        """The wish to know where the models disagree."""
        return Study(self.problem, self.models, methods.method("study", "answers"))

    def tasks(self) -> list[Task]:
        """All that is measured, in the order in which it is looked at."""
        val, test = self.field("val"), self.field("test")
        aside = methods.method("sample", "subsets", {"which": "leave_one_out"})
        return [
            Task("greedy soup", Run(val, self.greedy)),
            Task("leaving one out", Run(val, aside)),
            Task("test split", Run(test, aside)),
            Task("Shapley values", Run(val, self.worth)),
        ]

    @classmethod
    def of(cls, run: Run) -> Kitchen:
        """The kitchen of a run's address."""
        rule = run.sampler.kwargs().get("rule", "at_least")
        return cls(run.field.problem, run.field.corners, cast("Rule", rule))


def page(store: RunStore) -> None:
    """Form, table, greedy path, and the soup of one's own."""
    found, asked = asked_runs(store)
    kitchens = [Kitchen.of(run) for run in found if run.field.chart.name == "mixture"]
    if len(kitchens) < asked:
        st.warning("This soup is not in this store. Choose the models and measure again.", icon=":material/link_off:")
    shown = kitchens[0] if kitchens else None
    if (chosen := _form(store, shown)) is not None:
        want(chosen.tasks())
        if chosen.problem.loss == "cross_entropy":
            shell.want(chosen.answers)
        st.query_params.from_dict({"runs": chosen.tasks()[0].run.id})
        st.rerun()
    if shown is not None:
        _show(store, shown)
    else:
        st.info(
            "Press **Cook**: every model is measured alone, then one soup after the other. On the sample models it takes a few seconds.",
            icon=":material/soup_kitchen:",
        )


def _form(store: RunStore, shown: Kitchen | None) -> Kitchen | None:
    every = families(store, shown.problem, shown.models) if shown else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    key = f"soup-{shown.field('val').id if shown else 'new'}"
    first = shown.models[0] if shown else None
    with st.container(border=True):
        one, two, go = st.columns([3, 6, 2], vertical_alignment="bottom")
        with one:
            asked = key_of(first) if first else st.query_params.get("a", "")
            tuned = next((i for i, f in enumerate(every) if FIRST in f.key), 0)
            here = family_of(store, every, asked, tuned)
            family = st.selectbox("Family", every, index=here, format_func=lambda f: f.title, key=f"{key}-family")
        models = choices(store, family, every)
        with two:
            before = [key_of(m) for m in shown.models if key_of(m) in models] if shown else []
            chosen = st.multiselect(
                "Ingredients",
                list(models),
                default=before or list(family.models)[:EXACT],
                format_func=lambda k: family.label(k, models),
                max_selections=MOST,
                key=f"{key}-models-{family.key}",
            )
        rule = st.segmented_control(
            "The greedy soup keeps a model when the validation error is",
            ["at_least", "better"],
            default=shown.rule if shown else "at_least",
            format_func={"at_least": "not higher", "better": "lower"}.__getitem__,
            key=f"{key}-rule",
            required=True,
        )
        with go:
            pressed = st.button("Cook", type="primary", icon=":material/soup_kitchen:", key=f"{key}-go", width="stretch", disabled=len(chosen) < 2)
    return Kitchen(family.problem, tuple(models[k] for k in chosen), cast("Rule", rule or "at_least")) if pressed else None


def _show(store: RunStore, kitchen: Kitchen) -> None:
    tasks = kitchen.tasks()
    if (own := _own(kitchen)) is not None:  # from a link
        inspect_once(store, kitchen.field("test"), own)
        if store.status((wish := _given(kitchen, "val", own)).id) is None:
            shell.want(wish, urgent=True)
    busy = _busy(store, kitchen)
    st.fragment(_live, run_every=POLL_S if busy else None)(store, kitchen, tasks, busy)


def _busy(store: RunStore, kitchen: Kitchen) -> bool:
    own = _own(kitchen)
    waiting = [store.status(_given(kitchen, split, soup).id) for soup in ([own] if own else []) for split in ("val", "test")]
    return (
        active(store, kitchen.tasks())
        or ((looks := store.status(kitchen.answers.id)) is not None and looks.active)
        or any(s is not None and s.active for s in waiting)
        or pick_active(store, kitchen.field("test"), own if own else None)
    )


def _live(store: RunStore, kitchen: Kitchen, tasks: list[Task], was_busy: bool) -> None:
    busy = _busy(store, kitchen)
    progress(store, tasks, key="soup")
    val, test = (store.points(kitchen.field(split).id)[0] for split in ("val", "test"))
    models = len(kitchen.models)
    alone = len(val) > 0 and best_single(val) is not None
    path = walk(val, rule=kitchen.rule) if alone else None
    own = _ingredients(store, kitchen, val, test, path)
    if own != _own(kitchen):
        _choose(store, kitchen, own)
        st.rerun()
    if path is not None:
        _ensure_on_test(store, kitchen, path)
        _path(kitchen, val, test, path)
        _soups(store, kitchen, val, test, path, own)
    if own is not None:
        model_at(store, kitchen.field("test"), own, test)
    if was_busy != busy:
        st.rerun()
    if busy:
        shell.tend()
    if models and len(val):
        _takeaway(kitchen, val, test)


def _ingredients(store: RunStore, kitchen: Kitchen, val: Points, test: Points, path: Path | None) -> tuple[float, ...] | None:
    """The table; the weights that the person has put in, None when none has."""
    models = len(kitchen.models)
    own = _own(kitchen) or (0.0,) * models
    rows = pd.DataFrame({"model": [m.name or m.id for m in kitchen.models], "weight": list(own)})
    rows["val error (%)"] = [_percent(val, row) for row in singles(models)]
    rows["test error (%)"] = [_percent(test, row) for row in singles(models)]
    steps = {s.model: (i, s) for i, s in enumerate(path.steps, start=1)} if path else {}
    rows["turn"] = [steps[k][0] if k in steps else None for k in range(models)]
    rows["kept"] = [steps[k][1].accepted if k in steps else None for k in range(models)]
    rows["gain (points)"] = [_text(steps[k][1].gain) if k in steps else "" for k in range(models)]
    apart = leave_one_out(val) if len(val) else None
    rows["worth to the soup of all"] = [_text(e) for e in apart] if apart else [""] * models
    worth = _shapley(kitchen, val)
    rows["Shapley value"] = [_text(e) for e in worth] if worth else [""] * models
    for name, column in _looks(store, kitchen).items():
        rows[name] = column
    edited = st.data_editor(
        rows,
        hide_index=True,
        key=f"soup-table-{kitchen.field('val').id}",
        disabled=[c for c in rows.columns if c != "weight"],
        column_config={
            "weight": st.column_config.NumberColumn(help="Your own soup: 1 for a model that is in, 0 for one that is not, or any shares.", min_value=-10.0, max_value=10.0, step=0.05),
            "val error (%)": st.column_config.NumberColumn(format="%.2f"),
            "test error (%)": st.column_config.NumberColumn(format="%.2f"),
            "turn": st.column_config.NumberColumn(help="When it was tried for the greedy soup: from the lowest validation error to the highest."),
            "kept": st.column_config.CheckboxColumn(help="Whether the greedy soup kept it."),
            "gain (points)": st.column_config.TextColumn(help="By how much it lowered the validation error of the greedy soup so far, 95 %."),
            "worth to the soup of all": st.column_config.TextColumn(help="By how much the error of the soup of all rises without it, in points, 95 %."),
            "Shapley value": st.column_config.TextColumn(
                help="What it takes off the validation error, in points, on average over all orders of adding the models. The soup of none has the mean error of the models alone."
            ),
            "right, by class": st.column_config.BarChartColumn(help="The share of each class that is right, on the validation split.", y_min=0.0, y_max=1.0),
            "disagrees (%)": st.column_config.NumberColumn(format="%.2f", help="On how many validation samples it answers otherwise than the others, on average."),
            "distance": st.column_config.NumberColumn(format="%.3g", help="To the soup of all, in weight space."),
        },
    )  # fmt: skip
    st.caption(
        "Everything but the test error is of the **validation** split, where the choice is made. Write weights to taste a soup of your own. Intervals are paired"
        + (
            ", over all subsets of the models."
            if models <= EXACT
            else f"; Shapley values from {ORDERS} random orders, whose spread is in the interval."
        )
    )
    weights = tuple(float(w) for w in cast("Sequence[float]", edited["weight"].fillna(0.0).tolist()))
    return weights if any(weights) and abs(sum(weights)) > 1e-9 else None


def _looks(store: RunStore, kitchen: Kitchen) -> dict[str, object]:
    """How each model answers and where it lies, as far as that is known: columns of the table."""
    found: dict[str, object] = {}
    status = store.status(kitchen.answers.id)
    if status is not None and status.state == "done" and isinstance(status.result, dict):
        apart = np.array(status.result["disagree"], dtype=np.float64)
        found["disagrees (%)"] = 100 * apart.sum(axis=1) / max(len(apart) - 1, 1)
        found["right, by class"] = cast("list[list[float]]", status.result["by_class"])
    if (known := store.field(kitchen.field("val").id)) is not None:
        n = len(known.gram)
        away = np.eye(n) - 1 / n
        found["distance"] = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", away, known.gram, away), 0.0))
    return found


def _shapley(kitchen: Kitchen, val: Points) -> list[Estimate] | None:
    if not len(val):
        return None
    return shapley(val) if len(kitchen.models) <= EXACT else sampled_shapley(val, ORDERS, 0)


def _path(kitchen: Kitchen, val: Points, test: Points, path: Path) -> None:
    """The error of the greedy soup as models have their turn."""
    soup = np.zeros(len(kitchen.models))
    seen: dict[str, list[tuple[float, float, float, float]]] = {"validation": [], "test": []}
    for turn, step in enumerate(path.steps, start=1):
        tried = soup.copy()
        tried[step.model] = 1.0
        if step.accepted:
            soup = tried
        for name, points in (("validation", val), ("test", test)):
            if (value := _interval(points, soup)) is not None:
                seen[name].append((turn, *value))
    curves: list[Curve] = []
    for name, rows in seen.items():
        if rows:
            turn, mean, low, high = (np.array(column) for column in zip(*rows, strict=True))
            curves.append(Curve(f"greedy soup, {name} split", turn, mean, low, high))
    if not curves:
        return
    curve(
        curves,
        key=f"soup-path-{kitchen.field('val').id}-{kitchen.rule}",
        x_title="models that have had their turn",
        y_title="error (%)",
        pick=None,
        height=260,
        alt="Error of the greedy soup as models have their turn.",
        caption="In the order of their validation error; a turn that does not lower the line was not kept, or changed nothing. 95 % bands.",
    )


def _soups(store: RunStore, kitchen: Kitchen, val: Points, test: Points, path: Path, own: tuple[float, ...] | None) -> None:
    """The soups worth comparing, against the best model alone, on the test split."""
    models = len(kitchen.models)
    best = best_single(val)
    assert best is not None
    greedy = np.isin(np.arange(models), path.members).astype(float)
    soups: list[tuple[str, Array]] = [
        (f"best alone: {kitchen.models[best].name or best}", singles(models)[best]),
        ("soup of all", np.ones(models)),
        (f"greedy soup of {len(path.members)}" + ("" if path.wanted is None else " so far"), greedy),
    ]
    if own is not None:
        soups.append(("your soup", np.array(own)))
    reference = row_of(test, singles(models)[best].tolist())
    rows: list[dict[str, object]] = []
    for name, soup in soups:
        row: dict[str, object] = {"soup": name}
        for split, points in (("val", val), ("test", test)):
            value = _interval(points, soup)
            row[f"{split} error (%)"] = "…" if value is None else f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]"
        here = row_of(test, soup.tolist())
        if here is not None and reference is not None:
            apart = difference(_one(test, here), _one(test, reference), ERROR)
            row["test error minus that of the best alone (points)"] = "" if here == reference else _text(apart)
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        "The best model was chosen on the validation split as well. Differences are paired sample by sample on the test split; an interval that holds 0 shows no difference."
    )


def _takeaway(kitchen: Kitchen, val: Points, test: Points) -> None:
    data, _ = st.columns([1, 4])
    with data:
        download(
            "Data (CSV)",
            lambda: _table(kitchen, val, test).to_csv(index=False),
            "soups.csv",
            mime="text/csv",
            icon=":material/table:",
            key="soup-csv",
        )


def _table(kitchen: Kitchen, val: Points, test: Points) -> pd.DataFrame:
    """Every measured soup: the models' weights, and the mean of each metric."""
    frames: list[pd.DataFrame] = []
    names = [m.name or m.id for m in kitchen.models]
    for split, points in (("val", val), ("test", test)):
        if len(points):
            means = points.means()
            frames.append(
                pd.DataFrame({"split": split, **dict(zip(names, points.coords.T, strict=True)), "loss": means[:, 0], "error": means[:, ERROR]})
            )
    return pd.concat(frames)


def _ensure_on_test(store: RunStore, kitchen: Kitchen, path: Path) -> None:
    """The soups along the greedy path are reported on the test split once they are known."""
    if path.wanted is not None:
        return
    soup = np.zeros(len(kitchen.models))
    rows: list[Array] = []
    for step in path.steps:
        if step.accepted:
            soup = soup + singles(len(kitchen.models))[step.model]
            rows.append(soup)
    wish = _given(kitchen, "test", tuple(float(v) for v in np.concatenate(rows)))
    if store.status(wish.id) is None:
        shell.want(wish)


def _given(kitchen: Kitchen, split: SplitName, coords: tuple[float, ...]) -> Run:
    return Run(kitchen.field(split), methods.method("sample", "given", {"at": coords}))


def _own(kitchen: Kitchen) -> tuple[float, ...] | None:
    """The person's own soup, from the address."""
    try:
        weights = tuple(float(part) for part in (address.get("soup") or "").split(","))
    except ValueError:
        return None
    return weights if len(weights) == len(kitchen.models) and np.isfinite(weights).all() and abs(sum(weights)) > 1e-9 else None


def _choose(store: RunStore, kitchen: Kitchen, own: tuple[float, ...] | None) -> None:
    """Put the person's soup into the address, and ask for it on both splits."""
    if own is None:
        address.put(soup=None)
        return
    address.put(soup=",".join(f"{w:g}" for w in own))
    shell.want(_given(kitchen, "val", own), urgent=True)
    inspect(store, kitchen.field("test"), own)


def _one(points: Points, i: int) -> Points:
    return Points(points.coords[i : i + 1], points.values[i : i + 1], points.counts)


def _interval(points: Points, soup: Array) -> tuple[float, float, float] | None:
    """The error of a soup in percent with its interval, if it is measured."""
    if not len(points) or (i := row_of(points, soup.tolist())) is None:
        return None
    one = _one(points, i)
    low, high = band(one, ERROR)
    return 100 * float(one.means()[0, ERROR]), 100 * float(low[0]), 100 * float(high[0])


def _percent(points: Points, soup: Array) -> float | None:
    value = _interval(points, soup)
    return None if value is None else value[0]


def _text(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{100 * estimate.value:+.2f} [{100 * estimate.low:+.2f}, {100 * estimate.high:+.2f}]"
