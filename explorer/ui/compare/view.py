"""Many ways of merging the same models, side by side on the same samples, and what becomes of each. The Compare page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_config_utils import ColumnConfigMappingInput

from explorer.core import registry, splits
from explorer.core.markdown import plain
from explorer.core.points import Points
from explorer.core.spec import Fused, SplitName, Study
from explorer.figures import bars
from explorer.stats import units
from explorer.store.records import Made
from explorer.store.run_store import RunStore
from explorer.ui.compare import mergeable, report, search, studies, tasks
from explorer.ui.compare.form import OF, SPLITS, Comparison, Entry, data_needed, default, form, summary
from explorer.ui.compare.table import DRAWN, INGREDIENT, REFERENCE, Candidate, against_best, copied, table
from explorer.ui.frame import head, query_state, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import active, asked_runs, begin, progress, submit
from explorer.ui.widgets import model_doubts, python_source, study_panel
from explorer.ui.widgets.chart_actions import actions, chart
from explorer.ui.widgets.choose_models import BY_HAND, HELP, matching
from explorer.ui.widgets.form_state import names_a_model
from explorer.ui.widgets.model_inspector import inspect_once, model_at, pick_active
from explorer.ui.widgets.model_picker import key_of
from explorer.ui.widgets.recipe_view import export, exporting
from explorer.ui.widgets.section import draw, fold, stands
from explorer.ui.widgets.selection_metric import measure_of, refuse

POLL_S = 0.5
MANY_POLL_S = 5.0  # of more models than are listed by hand: drawing them takes a second
FUSE = "fuse"
AS_GOOD, MERGED = "As good as the best", "Merged"
PAIRED = "Paired sample by sample; the intervals of all rows hold at once in 95 %."
LIMITS = (
    "The best is the one with the lowest **validation** error (in a regression: loss); what is reported is of the **test** split, paired sample by sample."
    " Differences from it have intervals that hold **all at once** in 95 %, however many models there are (Dunnett's comparison of many with one)."
)


INTRO = "Which [[merging]] method works best for these models, what does it lose against the best of them, and is the difference [[more than chance|interval]]?"


def page(store: RunStore) -> None:
    """Form, table, what lies behind it, and the model of the picked row."""
    found, asked = asked_runs(store)
    entries = tuple(Entry(r.field.corners[0], r.field.problem) for r in found if r.field.chart.name == "mixture" and len(r.field.corners) == 1)
    if len(entries) < asked:
        st.warning("Some models in this link are not in this store. Choose the models and compare again.", icon=":material/link_off:")
    first = None if asked or names_a_model() else default(store)
    shown = first.entries if first else entries
    of = st.query_params.get("of", OF[0])
    with head.form("Compare", INTRO, shown=summary(shown, of), key=shown[0].run.id if shown else ""):
        wanted = form(store, shown)
    if wanted is not None:
        refuse(wanted.problem)
        submit(wanted.tasks())
        for study in wanted.studies():
            shell.submit(study)
        st.query_params.from_dict({"runs": ",".join(e.run.id for e in wanted.entries), **({"of": wanted.of} if wanted.of != OF[0] else {})})
        st.rerun()
    if first is not None:
        begin(first.tasks())
        for study in first.studies():
            if store.status(study.id) is None:
                shell.submit(study, idle=True)
        _show(store, first)
    elif entries and any(e.method is None for e in entries):
        refuse(entries[0].problem)
        _show(store, Comparison(entries, of if of in OF else OF[0]))
    else:
        st.info(
            "Press **Compare**: every method merges the same models, with batch-norm statistics re-estimated, and all are measured on the same samples.",
            icon=":material/balance:",
        )


def _show(store: RunStore, comparison: Comparison) -> None:
    names = {e.run.id: e.name for e in comparison.entries}
    picked = st.query_params.get("look", "")
    key = f"look-{comparison.entries[0].run.id}"
    at = [*names].index(picked) + 1 if picked in names else 0
    with head.controls():
        selected = st.selectbox(
            "Look at",
            ["", *names],
            index=at,
            format_func=lambda i: f"Look at {names[i]}" if i else "Look at one model: its mistakes, its file",
            key=key,
            label_visibility="collapsed",
            width=340,
        )
    if selected:
        st.query_params["look"] = selected
    else:
        st.query_params.pop("look", None)
    entry = next((e for e in comparison.entries if e.run.id == selected), None)
    if entry is not None:
        inspect_once(store, entry.field("test"), (1.0,))
        if (
            entry.method is not None
            and len(comparison.ingredients) > 1
            and store.status((why := studies.interference_of(comparison, entry)).id) is None
        ):
            shell.submit(why)
    busy = _busy(store, comparison, entry)
    live(_live, every=POLL_S if len(comparison.entries) <= BY_HAND else MANY_POLL_S, busy=busy)(store, comparison, entry, busy)
    search.show(store, comparison)
    study_panel.added(store, comparison.problem, comparison.models)
    _actions(store, comparison, entry)


def _studies(store: RunStore, comparison: Comparison, entry: Entry | None) -> list[Study]:
    """What is asked for beside the points, in the order in which it is shown."""
    requests = comparison.studies()
    if registry.labelled(comparison.problem.loss) and (best := best_ingredient(seen(store, comparison), comparison)) is not None:
        requests.append(studies.classes_of(comparison, best))
    if entry is not None and entry.method is not None:
        requests.append(studies.interference_of(comparison, entry))
    return requests


def _busy(store: RunStore, comparison: Comparison, entry: Entry | None) -> bool:
    return (
        active(store, comparison.tasks())
        or any(s is not None and s.active for s in (store.status(w.id) for w in _studies(store, comparison, entry)))
        or mergeable.busy(store, comparison)
        or tasks.busy(store, comparison)
        or (entry is not None and (pick_active(store, entry.field("test"), (1.0,)) or exporting(store, entry.model)))
    )


def _live(store: RunStore, comparison: Comparison, entry: Entry | None, was_busy: bool) -> None:
    known = seen(store, comparison)
    best = best_ingredient(known, comparison)
    if best is not None and registry.labelled(comparison.problem.loss) and store.status((request := studies.classes_of(comparison, best)).id) is None:
        shell.submit(request)
    busy = _busy(store, comparison, entry)
    if was_busy != busy:
        st.rerun()
    rows = table(known, units.of_level(comparison.problem, "loss"), measure_of(comparison.problem))
    _answer(comparison, known, rows)
    progress(store, comparison.tasks(), key="compare")
    _table(comparison, rows)
    if not registry.labelled(comparison.problem.loss):
        st.caption(
            f"Calibration and classes are not shown: they need one true class for each answer, and the loss here is {registry.called(comparison.problem.loss)}."
        )
    model_doubts.show(store, (entry.field("test") for entry in comparison.entries))
    if entry is not None:
        _looked_at(store, comparison, entry)
    tasks.show(store, comparison, known)
    mergeable.show(store, comparison)
    stands(store, [(request.method.name.replace("_", " ").capitalize(), request) for request in _studies(store, comparison, entry)])
    for key, icon, made in (
        ("calibration", ":material/straighten:", studies.calibration(store, comparison)),
        ("classes", ":material/grid_on:", studies.classes(store, comparison, best) if best is not None else None),
    ):
        if made is not None:
            draw(made, key=f"compare-{key}", icon=icon)
    if busy:
        shell.tend()


def _looked_at(store: RunStore, comparison: Comparison, entry: Entry) -> None:
    """One of the models: its mistakes, why it fails where it is merged, and its file."""
    points, _ = store.points(entry.field("test").id)
    model_at(store, entry.field("test"), (1.0,), points)
    if entry.method is None:
        return
    _method_notes(store, entry)
    if (made := studies.interference(store, comparison, entry)) is not None:
        draw(made, key="compare-interference", icon=":material/troubleshoot:", expanded=True)
    export(store, entry.model, key="compare-take")


def _method_notes(store: RunStore, entry: Entry) -> None:
    """What the method itself said of the model when it was made."""
    noted = store.noted(entry.model.id)
    if noted is not None and (notes := Made.from_json(noted).told):
        st.markdown(f"**{plain(entry.name)}**, as it was made:\n" + "\n".join(f"- {plain(sentence)}" for sentence in notes))


def _answer(comparison: Comparison, known: list[Candidate], rows: pd.DataFrame) -> None:
    """Which one, by how much, and whether that is more than chance: as a picture, and in words beside it."""
    by = measure_of(comparison.problem)
    found = against_best(known, by)
    left, right = st.columns([7, 3], gap="medium")
    with left, head.picture():
        if found is None:
            st.caption("The ingredients are being measured…")
            return
        title = f"test {by.metric} minus that of {found.best.name}{by.apart}"
        figure = bars.figure(found.rows(by), x_title=title)
        chart(figure.update_layout(height=head.HEIGHT), key="compare-apart", title=f"{title[0].upper()}{title[1:]}", stem="comparison-apart")
    with right:
        st.markdown(found.says(by))
        st.markdown(report.says(rows, by))
        drawn = f"The picture has {DRAWN} of {len(found.others)} differences, all are in the table. " if len(found.others) > DRAWN else ""
        st.caption(f"{drawn}{LIMITS} {copied(known)}")


def _narrowed(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Which of many models are listed: by name, and by whether they can be told from the best."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        line = st.text_input("Filter", key=f"compare-filter-{key}", placeholder="tune-*, 1-50, newest 20", help=HELP, width=300)
        which = st.segmented_control("Models", ["All", AS_GOOD, MERGED], default="All", key=f"compare-shows-{key}", required=True)
    listed = rows.iloc[[int(k) for k in matching(line, {str(k): name for k, name in enumerate(rows["model"])})]]
    if which == AS_GOOD:
        listed = listed[listed["indistinguishable from the best"]]
    elif which == MERGED:
        listed = listed[listed[""] != INGREDIENT]
    st.caption(f"{len(listed)} of {len(rows)} models. A click on a column's head sorts.")
    return listed


def _table(comparison: Comparison, rows: pd.DataFrame) -> None:
    by = measure_of(comparison.problem)
    if not len(rows):
        return
    if len(rows) > BY_HAND:
        rows = _narrowed(rows, comparison.entries[0].run.id)
    apart = f"minus the best ingredient{by.apart}"
    costs = ("made in (s)", "memory (MiB)", "needs")
    config: ColumnConfigMappingInput = {
        "model": st.column_config.TextColumn(width=184, pinned=True),
        "": st.column_config.TextColumn("kind", width=100),
        f"val {by.title}": st.column_config.NumberColumn(width=96, format=f"%{by.form}", help="The split that choices are made on."),
        f"test {by.title}, 95 %": st.column_config.TextColumn(width=140),
        apart: (
            st.column_config.NumberColumn(f"minus the best alone{by.apart}", width=190, format="%.3g", help=PAIRED)
            if f"{apart}, 95 %" in rows
            else st.column_config.TextColumn(f"minus the best alone{by.apart}", width=204, help=PAIRED)
        ),
        f"{apart}, 95 %": st.column_config.TextColumn("95 %", width=130, help=PAIRED),
        "indistinguishable from the best": st.column_config.CheckboxColumn(
            "as good as the best",
            width=130,
            help=f"Its test {by.metric} minus that of the model with the lowest validation {by.metric} may be 0 or less: the paired interval says so, which holds for all rows at once in 95 %.",
        ),
        "made in (s)": st.column_config.NumberColumn(
            format="%.3g", help="Merging alone: without loading the models or re-estimating batch-norm statistics."
        ),
        "memory (MiB)": st.column_config.NumberColumn(format="%.1f", help="Peak memory beyond the models while merging; a few MiB are noise."),
    }
    st.dataframe(rows, hide_index=True, placeholder="", column_order=[c for c in rows.columns if c not in costs], column_config=config)
    with fold("What each method needs, and what it took", icon=":material/timer:"):
        st.dataframe(rows, hide_index=True, placeholder="", column_order=["model", *costs], column_config=config)


def _actions(store: RunStore, comparison: Comparison, entry: Entry | None) -> None:
    known, by = seen(store, comparison), measure_of(comparison.problem)
    rows = table(known, units.of_level(comparison.problem, "loss"), by)
    if not len(rows):
        return
    best = best_ingredient(known, comparison)

    def compare() -> None:
        st.caption("Choose more methods in the form above. The models themselves, on other pages:")
        first = key_of(comparison.ingredients[0])
        shell.link("soup", "What each contributes to an average", icon=":material/soup_kitchen:", a=first)
        shell.link("paths", "The barriers between them", icon=":material/hub:", view="many", a=first)

    actions(
        key="compare",
        stem="comparison",
        explain=f"{report.says(rows, by)}\n\n{LIMITS} {copied(known)}",
        compare=compare,
        table=lambda: rows,
        page=lambda: report.report(store, comparison, known, rows, best, entry),
        code=program(comparison),
        link=query_state.link("compare"),
    )


def program(comparison: Comparison) -> str:
    """Python that merges and measures again."""
    merged = {e.name: e.model for e in comparison.entries if isinstance(e.model, Fused)}
    given = next((m.models for m in merged.values()), comparison.ingredients)
    calls = "".join(
        f"    {name!r}: {f'Fused(problem, models, {python_source.method(FUSE, m.method)}, {m.buffers!r})' if m.models == given else python_source.whole(m)},\n"
        for name, m in merged.items()
    )
    return python_source.program(
        f"models = {python_source.models(given)}\nproblem = {python_source.spec_of(comparison.problem)}\nmerged = {{\n{calls}}}\n"
        "for name, model in [*((m.name, m) for m in models), *merged.items()]:\n"
        '    field = Field(problem, (model,), method("chart", "mixture"), split="test")\n'
        '    found = points(Run(field, method("sample", "given", {"at": (1.0,)})))\n'
        "    print(name, dict(zip(field.metrics, found.means()[0])))"
    )


def best_ingredient(known: list[Candidate], comparison: Comparison) -> int | None:
    """Which ingredient has the lowest validation error (in a regression: loss), among equal ones the lowest loss; None before all are measured."""
    alone = [one for one in known if one.kind == INGREDIENT]
    if len(alone) < len(comparison.ingredients):
        return None
    values = np.array([one.val.means()[0] for one in alone])
    values = np.where(np.isfinite(values), values, np.inf)
    return int(np.lexsort((values[:, 0], values[:, measure_of(comparison.problem).column]))[0])


def seen(store: RunStore, comparison: Comparison) -> list[Candidate]:
    """What is measured on both splits, the ensemble of the ingredients with it; and what of it is measured on named test sets."""
    found: list[Candidate] = []
    for entry in comparison.entries:
        val, test = (store.points(entry.field(split).id)[0] for split in SPLITS)
        if len(val) and len(test):
            noted = store.noted(entry.model.id) if entry.method else None
            need = data_needed(entry.method.name) if entry.method else ""
            sets = {splits.called(s): points for s in splits.tests(entry.problem)[1:] if len(points := store.points(entry.field(s).id)[0])}
            found.append(Candidate(entry.name, "" if entry.method else INGREDIENT, val, test, Made.from_json(noted) if noted else None, need, sets))
    together = [_answered(store, comparison, split) for split in SPLITS]
    if together[0] is not None and together[1] is not None:
        found.append(Candidate(f"ensemble (mean of {comparison.of})", REFERENCE, together[0], together[1], None, "every ingredient at each answer"))
    return found


def _answered(store: RunStore, comparison: Comparison, split: SplitName) -> Points | None:
    status = store.status(comparison.ensemble(split).id)
    if status is None or status.state != "done" or not isinstance(status.result, dict):
        return None
    sums, counts = (np.array(status.result[name], dtype=np.float64) for name in ("ensemble", "counts"))
    return Points(np.ones((1, 1)), sums[None], counts)
