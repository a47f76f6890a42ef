"""Many ways of merging the same models, side by side on the same samples, and what becomes of each. The Compare page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from explorer import methods
from explorer.errors import Refused
from explorer.points import Array, Points
from explorer.spec import Aligned, Field, Fused, Method, ProblemSpec, Recipe, Run, SplitName, Study
from explorer.statistics import band, difference
from explorer.store import RunStore
from explorer.ui import forms, shell
from explorer.ui.download import download
from explorer.ui.families import choices, families, family_of, key_of
from explorer.ui.model_view import inspect_once, model_at, pick_active
from explorer.ui.several import active, asked_runs, progress, want

POLL_S = 0.5
MOST = 12
FIRST_MODELS = 3
FIRST = ("uniform_soup", "fisher", "regmean", "karcher", "task_arithmetic", "ties", "model_stock")
ERROR = 1  # its column among the metrics
INGREDIENT, REFERENCE = "ingredient", "reference, several models"
SPLITS: tuple[SplitName, ...] = ("val", "test")


@dataclass(frozen=True)
class Entry:
    """One model in the comparison: an ingredient, or what a method made of all of them."""

    model: Recipe
    problem: ProblemSpec

    @property
    def method(self) -> Method | None:
        """How it was made; None for an ingredient."""
        return self.model.method if isinstance(self.model, Fused) else None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.method.name.replace("_", " ") if self.method else (self.model.name or self.model.id)

    def field(self, split: SplitName) -> Field:
        """The model alone, on a split."""
        return Field(self.problem, (self.model,), methods.method("chart", "mixture"), split=split)

    def on(self, split: SplitName) -> Run:
        """The wish to measure it."""
        return Run(self.field(split), methods.method("sample", "given", {"at": (1.0,)}))

    @property
    def run(self) -> Run:
        """On the test split, where it is reported; what stands in an address."""
        return self.on("test")


@dataclass(frozen=True, eq=False)
class Seen:
    """A measured model, or several that answer together: one point on each split."""

    name: str
    kind: str
    val: Points
    test: Points


@dataclass(frozen=True)
class Task:
    """An entry on a split, for the progress."""

    name: str
    run: Run


def page(store: RunStore) -> None:
    """Form, table, and the model of the picked row."""
    found, asked = asked_runs(store)
    entries = [Entry(run.field.corners[0], run.field.problem) for run in found if run.field.chart.name == "mixture" and len(run.field.corners) == 1]
    if len(entries) < asked:
        st.warning("Some models of this address are not in this store. Choose the models and compare again.", icon=":material/link_off:")
    if wanted := _form(store, entries):
        want(_tasks(wanted))
        if wanted[0].problem.loss == "cross_entropy":
            for split in SPLITS:
                shell.want(_ensemble(wanted, split))
        st.query_params.from_dict({"runs": ",".join(e.run.id for e in wanted)})
        st.rerun()
    if entries:
        _show(store, entries)
    else:
        st.info(
            "Press **Compare**: every method merges the same models, with its batch norm measured anew, and all are measured on the same samples.",
            icon=":material/balance:",
        )


def _form(store: RunStore, shown: list[Entry]) -> list[Entry] | None:
    merged = [e.model for e in shown if isinstance(e.model, Fused)]
    before: tuple[Recipe, ...] = tuple(merged[0].models) if merged else ()
    aligned = bool(before) and all(isinstance(m, Aligned) for m in before)
    plain = tuple(m.models[m.which] for m in before if isinstance(m, Aligned)) if aligned else before
    every = families(store, shown[0].problem, plain) if shown else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    key = f"compare-{shown[0].run.id if shown else 'new'}"
    with st.container(border=True):
        one, two, go = st.columns([3, 6, 2], vertical_alignment="bottom")
        with one:
            asked = key_of(plain[0]) if plain else st.query_params.get("a", "")
            tuned = next((i for i, f in enumerate(every) if "finetunes" in f.key), 0)
            here = family_of(store, every, asked, tuned)
            family = st.selectbox("Family", every, index=here, format_func=lambda f: f.title, key=f"{key}-family")
        models = choices(store, family, every)
        with two:
            start = [key_of(m) for m in plain if key_of(m) in models]
            chosen = st.multiselect(
                "Models; the first is the base of methods that work on differences",
                list(models),
                default=start or list(family.models)[:FIRST_MODELS],
                format_func=lambda k: family.label(k, models),
                max_selections=MOST,
                key=f"{key}-models-{family.key}",
            )
        names = [m for m in methods.names("fuse") if fits(m, len(chosen))]
        was = [m.method.name for m in merged]
        picked = st.multiselect(
            "Methods",
            names,
            default=[n for n in was or FIRST if n in names],
            format_func=lambda n: n.replace("_", " "),
            key=f"{key}-methods-{'-'.join(names)}",
        )
        align_first = st.checkbox(
            "Align the models first, by weight matching", value=aligned, key=f"{key}-align", help="Hidden units in the order of the first model."
        )
        given: list[Method] = []
        with st.expander("What the methods are, and their options", icon=":material/tune:"):
            for name in picked:
                st.markdown(
                    f"**{name.replace('_', ' ')}**: {methods.title('fuse', name)}" + (" *Base: the first model.*" if methods.has_base(name) else "")
                )
                known = next((m.method for m in merged if m.method.name == name), None)
                try:
                    given.append(forms.options("fuse", name, key=key, start=known, fields=st.container()))
                except (Refused, ValueError) as refusal:
                    st.error(str(refusal))
                    return None
        with go:
            pressed = st.button(
                "Compare", type="primary", icon=":material/balance:", key=f"{key}-go", width="stretch", disabled=len(chosen) < 2 or not given
            )
    if not pressed:
        return None
    problem = family.problem
    own: tuple[Recipe, ...] = tuple(models[k] for k in chosen)
    if align_first:
        own = Aligned.every(problem, own, methods.method("align", "weight_matching"))
    singles = [Entry(m, problem) for m in own]
    return [*singles, *(Entry(Fused(problem, own, m, name=m.name.replace("_", " ")), problem) for m in given)]


def fits(method: str, models: int) -> bool:
    """Whether a method takes so many models."""
    least, most = methods.models_of(method)
    return least <= models and (most is None or models <= most)


def _tasks(entries: Sequence[Entry]) -> list[Task]:
    return [Task(f"{e.name}, {split} split", e.on(split)) for e in entries for split in SPLITS]


def _show(store: RunStore, entries: list[Entry]) -> None:
    tasks = _tasks(entries)
    names = {e.run.id: e.name for e in entries}
    picked = st.query_params.get("look", "")
    look = st.selectbox(
        "Look at", ["", *names], index=[*names].index(picked) + 1 if picked in names else 0, format_func=lambda i: names.get(i, "(none)"), key=f"look-{entries[0].run.id}"
    )  # fmt: skip
    if look:
        st.query_params["look"] = look
    else:
        st.query_params.pop("look", None)
    entry = next((e for e in entries if e.run.id == look), None)
    if entry is not None:
        inspect_once(store, entry.field("test"), (1.0,))
    busy = _busy(store, entries, entry)
    st.fragment(_live, run_every=POLL_S if busy else None)(store, entries, tasks, entry, busy)


def _busy(store: RunStore, entries: list[Entry], entry: Entry | None) -> bool:
    studies = [store.status(wish.id) for wish in (_check(entries), *(_ensemble(entries, split) for split in SPLITS))]
    return (
        active(store, _tasks(entries))
        or any(s is not None and s.active for s in studies)
        or (entry is not None and pick_active(store, entry.field("test"), (1.0,)))
    )


def _live(store: RunStore, entries: list[Entry], tasks: list[Task], entry: Entry | None, was_busy: bool) -> None:
    busy = _busy(store, entries, entry)
    seen = _seen(store, entries)
    progress(store, tasks, key="compare")
    rows = table(seen)
    if len(rows):
        st.dataframe(
            rows,
            hide_index=True,
            column_config={
                "val error (%)": st.column_config.NumberColumn(format="%.2f", help="Where a choice is made."),
                "as good as the best": st.column_config.CheckboxColumn(
                    help="Its test error minus that of the model with the lowest validation error may be 0 or less: the paired 95 % interval says so."
                ),
            },
        )
        st.caption(
            "The best is the one with the lowest **validation** error; what is reported is of the **test** split, paired sample by sample. Several methods are"
            " compared with one: of twenty that are as good, one will look worse by chance."
        )
        data, _ = st.columns([1, 4])
        with data:
            download("Data (CSV)", lambda: rows.to_csv(index=False), "compare.csv", mime="text/csv", icon=":material/table:", key="compare-csv")
    _mergeable(store, entries)
    if entry is not None:
        points, _ = store.points(entry.field("test").id)
        model_at(store, entry.field("test"), (1.0,), points)
    if was_busy != busy:
        st.rerun()
    if busy:
        shell.tend()


def table(seen: Sequence[Seen]) -> pd.DataFrame:
    """One row for each model, from the lowest validation error to the highest; the best is the lowest of those that are one model."""
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
            "test loss (nat), 95 %": f"{mean[0]:.4g} [{loss_low[0]:.4g}, {loss_high[0]:.4g}]",
            "as good as the best": bool(apart.low <= 0),
        }
        if single is not None:
            gain = difference(one.test, single.test, ERROR)
            row["minus the best ingredient (points)"] = (
                "" if one is single else f"{100 * gain.value:+.2f} [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _seen(store: RunStore, entries: Sequence[Entry]) -> list[Seen]:
    """What is measured on both splits, the ensemble of the ingredients with it."""
    found: list[Seen] = []
    for entry in entries:
        val, test = (store.points(entry.field(split).id)[0] for split in SPLITS)
        if len(val) and len(test):
            found.append(Seen(entry.name, "" if entry.method else INGREDIENT, val, test))
    together = [_answered(store, entries, split) for split in SPLITS]
    if together[0] is not None and together[1] is not None:
        found.append(Seen("ensemble of the ingredients", REFERENCE, together[0], together[1]))
    return found


def _ensemble(entries: Sequence[Entry], split: SplitName) -> Study:
    models = tuple(e.model for e in entries if e.method is None)
    return Study(entries[0].problem, models, methods.method("study", "ensemble", {"split": split}))


def _answered(store: RunStore, entries: Sequence[Entry], split: SplitName) -> Points | None:
    status = store.status(_ensemble(entries, split).id)
    if status is None or status.state != "done" or not isinstance(status.result, dict):
        return None
    sums, counts = (np.array(status.result[name], dtype=np.float64) for name in ("ensemble", "counts"))
    return Points(np.ones((1, 1)), sums[None], counts)


def _check(entries: Sequence[Entry]) -> Study:
    return Study(entries[0].problem, tuple(e.model for e in entries if e.method is None), methods.method("study", "gram"))


def _mergeable(store: RunStore, entries: Sequence[Entry]) -> None:
    """Before merging: how far the models are from each other, and whether their differences from the base point the same way."""
    wish = _check(entries)
    models = wish.models
    if len(models) < 2:
        return
    with st.expander("Are these mergeable?", icon=":material/rule:"):
        status = store.status(wish.id)
        if status is None:
            st.button("Check", icon=":material/rule:", on_click=shell.resume, args=(wish,), key="compare-check")
            return
        if status.state == "failed":
            st.error(status.error, icon=":material/error:")
            return
        if status.state != "done" or not isinstance(status.result, dict):
            st.caption("Measuring distances…")
            return
        gram = np.array(status.result["gram"], dtype=np.float64)
        st.dataframe(pd.DataFrame(check(gram, [m.name or m.id for m in models])), hide_index=True)
        st.caption(
            f"Differences are from the first model, {models[0].name or models[0].id}. Fine-tunes of one parent lie close to it;"
            " independently trained models lie about as far from each other as from zero, and want to be aligned first."
        )
        shell.link("paths", "Measure the barrier between every two", icon=":material/hub:", view="many", a=key_of(models[0]))


def check(gram: Array, names: Sequence[str]) -> dict[str, list[object]]:
    """Of every model: its distance from the first, that as a share of the first's length, and the cosines of the differences to the others'."""
    n = len(gram)
    square = np.diag(gram) - 2 * gram[0] + gram[0, 0]
    away = np.sqrt(np.maximum(square, 0.0))
    edges = gram - gram[:1] - gram[:, :1] + gram[0, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = edges / np.outer(away, away)
    others: list[object] = ["" if k == 0 else ", ".join(f"{cosine[k, j]:.2f}" for j in range(1, n) if j != k) for k in range(n)]
    share = away / np.sqrt(gram[0, 0]) if gram[0, 0] > 0 else np.full(n, np.nan)
    return {
        "model": list(names),
        "distance from the first": [f"{d:.4g}" for d in away],
        "as a share of its length": [f"{s:.3f}" for s in share],
        "cosines of its difference with those of the others": others,
    }
