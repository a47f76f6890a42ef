"""Soups: which ingredients make a good average, what each is worth, and what a soup of one's own choice is as good as. The Soup page.

All is read from two fields with the chart `mixture`, one on the validation split, where everything is chosen, and one on the test split, where it is
reported.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core import splits
from explorer.core.points import Array, Points
from explorer.core.spec import Run, Study
from explorer.figures import curve as curve_figure
from explorer.figures.curve import Curve
from explorer.stats import units
from explorer.stats.barriers import difference, level
from explorer.stats.intervals import Estimate
from explorer.stats.soup_analysis import Drawn, Path, best_single, drawn_shapley, row_of, shapley, singles, walk
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.ui.charts.curve import curve
from explorer.ui.frame import failure, head, query_state, shell
from explorer.ui.frame.polling import live, turned
from explorer.ui.frame.run_set import active, asked_runs, begin, progress, submit
from explorer.ui.soup import triangle as simplex
from explorer.ui.soup.form import default, draws, form, summary
from explorer.ui.soup.measurements import Kitchen, Task, given, interval, known_together, one, text
from explorer.ui.soup.ranked import ranked
from explorer.ui.soup.table import ingredients
from explorer.ui.widgets import model_doubts, python_source
from explorer.ui.widgets.chart_actions import actions
from explorer.ui.widgets.choose_models import BY_HAND
from explorer.ui.widgets.form_state import names_a_model
from explorer.ui.widgets.model_inspector import inspect, inspect_once, model_at, pick_active, recipe
from explorer.ui.widgets.model_picker import key_of
from explorer.ui.widgets.recipe_view import export, exporting
from explorer.ui.widgets.selection_metric import Measure, refuse

POLL_S = 0.5
MANY_POLL_S = 5.0  # of more models than are listed by hand: drawing them takes a second
REPORTED = 24  # soups of the greedy path on the test split, more of them from its beginning
X_TITLE = "models tried so far"
READ = "From the best on the validation split to the worst; a model that does not lower the line was not kept, or changed nothing."
LIMITS = (
    "The best model was chosen on the validation split as well. Differences are paired sample by sample on the test split; an interval"
    " that contains 0 shows no difference."
)


INTRO = (
    "The average of several fine-tuned models, a [[model soup]], can be better than each of them where all lie in one [[basin]]. See"
    " what each ingredient contributes, and which the [[greedy soup]] leaves out."
)


def page(store: RunStore) -> None:
    """Form, table, greedy path, and the soup of one's own."""
    found, asked = asked_runs(store)
    kitchens = [Kitchen.from_run(run, **draws()) for run in found if run.field.chart.name == "mixture"]
    if len(kitchens) < asked:
        st.warning("This soup is not in this store. Choose the models and measure again.", icon=":material/link_off:")
    shown = kitchens[0] if kitchens else None
    if not asked and not names_a_model():
        shown = default(store)
    with head.form("Soup", INTRO, shown=summary(shown), key=shown.field("val").id if shown else ""):
        chosen = form(store, shown)
    if chosen is not None:
        refuse(chosen.problem)
        submit(chosen.tasks())
        for study in chosen.studies():
            shell.submit(study)
        drawn = {} if chosen.exact else {"orders": str(chosen.orders), "within": f"{chosen.within:g}"}
        st.query_params.from_dict({"runs": chosen.tasks()[0].run.id, **drawn})
        st.rerun()
    if shown is not None:
        refuse(shown.problem)
        begin(shown.tasks())
        for study in shown.studies():
            if store.status(study.id) is None:
                shell.submit(study, idle=True)
        _show(store, shown)
    else:
        st.info(
            "Press **Measure**: every model is measured alone, then one soup after the other. On the sample models it takes a few seconds.",
            icon=":material/soup_kitchen:",
        )


def _show(store: RunStore, kitchen: Kitchen) -> None:
    tasks = kitchen.tasks()
    if (own := _own(kitchen)) is not None:  # from a link
        inspect_once(store, kitchen.field("test"), own)
        for request in _asked_of_own(kitchen, own):
            if store.status(request.id) is None:
                shell.submit(request, urgent=True)
    busy = _busy(store, kitchen)
    live(_live, every=POLL_S if len(kitchen.models) <= BY_HAND else MANY_POLL_S, busy=busy, answers=True)(store, kitchen, tasks, busy)
    _actions(store, kitchen)


def _walked(kitchen: Kitchen, val: Points) -> Path | None:
    """The greedy path as far as it is known."""
    return walk(val, kitchen.by.metric, kitchen.rule) if len(val) and best_single(val, kitchen.by.metric) is not None else None


def _drawn(store: RunStore, kitchen: Kitchen) -> Drawn | None:
    """Shapley values from random orders, as far as they are drawn; None of so few models that all subsets are measured."""
    val = store.points(kitchen.field("val").id)[0]
    return drawn_shapley(val, kitchen.orders, 0, kitchen.by.metric) if not kitchen.exact and len(val) else None


def _busy(store: RunStore, kitchen: Kitchen) -> bool:
    own = _own(kitchen)
    path = _walked(kitchen, store.points(kitchen.field("val").id)[0])
    soup = own or _greedy(kitchen, path)
    waiting = [store.status(request.id) for request in ([given(kitchen, "test", own), *_asked_of_own(kitchen, own)] if own else [])]
    waiting += [] if path is None or path.wanted is not None else [store.status(run.id) for run in _reported(kitchen, path)]
    return (
        active(store, [*kitchen.tasks(), *kitchen.rounds(_drawn(store, kitchen))])
        or any(s is not None and s.active for s in (store.status(study.id) for study in kitchen.studies()))
        or simplex.busy(store, kitchen)
        or any(s is not None and s.active for s in waiting)
        or pick_active(store, kitchen.field("test"), own if own else None)
        or (soup is not None and exporting(store, recipe(store, kitchen.field("test"), soup)))
    )


def _live(store: RunStore, kitchen: Kitchen, tasks: list[Task], was_busy: bool) -> None:
    val, test = (store.points(kitchen.field(split).id)[0] for split in ("val", "test"))
    path, drawn = _walked(kitchen, val), _drawn(store, kitchen)
    for more in kitchen.rounds(drawn):
        if store.status(more.run.id) is None:
            shell.submit(more.run)
    for reported in _reported(kitchen, path) if path is not None and path.wanted is None else ():
        if store.status(reported.id) is None:
            shell.submit(reported)
    busy = _busy(store, kitchen)
    turned(was_busy, busy)
    left, right = st.columns([7, 3], gap="medium")
    with left:
        place = head.picture()
    progress(store, [*tasks, *kitchen.rounds(drawn)], key="soup")
    failure.several(_besides(store, kitchen, path), key="soup")
    model_doubts.show(store, [kitchen.field("val")])
    _picture(place, right, kitchen, val, test, path)
    if path is not None:
        rows = pd.DataFrame(_soups(store, kitchen, val, test, path, _own(kitchen))).fillna("")
        st.dataframe(rows, hide_index=True, column_config={"soup": st.column_config.TextColumn(width="medium", pinned=True)})
    worth = drawn.estimates if drawn is not None else shapley(val, kitchen.by.metric) if kitchen.exact and len(val) else None
    if worth is not None and not kitchen.exact:
        ranked(kitchen, worth)
    own = ingredients(store, kitchen, val, test, path, _own(kitchen), worth, drawn, on_choice=partial(_choose, store, kitchen))
    if own != _own(kitchen):  # what the table was left with, where the address has lost it
        _choose(store, kitchen, own)
        st.rerun()
    if path is not None:
        simplex.choose(kitchen)
        simplex.show(store, kitchen, val, own)
    if own is not None:
        model_at(store, kitchen.field("test"), own, test)
    if (soup := own or _greedy(kitchen, path)) is not None:
        export(store, recipe(store, kitchen.field("test"), soup), key="soup-take")
    if busy:
        shell.tend()


def _besides(store: RunStore, kitchen: Kitchen, path: Path | None) -> list[tuple[str, Status]]:
    """How what belongs to the picture besides its tasks stands."""
    asked: list[tuple[str, Run | Study]] = [(study.method.name.replace("_", " ").capitalize(), study) for study in kitchen.studies()]
    if path is not None and path.wanted is None:
        asked += [(f"The greedy soup on the {run.field.measured_on} split", run) for run in _reported(kitchen, path)]
    if (own := _own(kitchen)) is not None:
        asked += [("Your soup", run) for run in (given(kitchen, "test", own), *_asked_of_own(kitchen, own))]
    return [(name, status) for name, request in asked if (status := store.status(request.id)) is not None]


def _curves(kitchen: Kitchen, val: Points, test: Points, path: Path) -> list[Curve]:
    """The error, or the loss, of the greedy soup as models are tried."""
    soup = np.zeros(len(kitchen.models))
    seen: dict[str, list[tuple[float, float, float, float]]] = {"validation": [], "test": []}
    now: dict[str, Estimate | None] = {}
    for turn, step in enumerate(path.steps, start=1):
        if step.accepted:
            soup[step.model] = 1.0
            now = {name: interval(points, soup, kitchen.by) for name, points in (("validation", val), ("test", test))}
        for name, value in now.items():
            if value is not None:
                scale = kitchen.by.scale
                seen[name].append((turn, scale * value.value, scale * value.low, scale * value.high))
    curves: list[Curve] = []
    for name, rows in seen.items():
        if rows:
            turn, mean, low, high = (np.array(column) for column in zip(*rows, strict=True))
            curves.append(Curve(f"greedy soup, {name} split", turn, mean, low, high))
    return curves


def _key(kitchen: Kitchen) -> str:
    return f"soup-path-{kitchen.field('val').id}-{kitchen.rule}"


def _picture(place: DeltaGenerator, right: DeltaGenerator, kitchen: Kitchen, val: Points, test: Points, path: Path | None) -> None:
    """The greedy soup as models are tried, and beside it what it is worth."""
    with place:
        curve(
            _curves(kitchen, val, test, path) if path is not None else [],
            key=_key(kitchen),
            x_title=X_TITLE,
            y_title=kitchen.by.title,
            pick=None,
            height=head.HEIGHT,
            alt=f"{kitchen.by.metric.capitalize()} of the greedy soup as models are tried.",
            caption=f"{READ} 95 % bands.",
        )
    with right:
        if path is not None:
            st.markdown(_verdict(kitchen, val, test, path))
            st.caption(LIMITS)


def _soups(store: RunStore, kitchen: Kitchen, val: Points, test: Points, path: Path, own: tuple[float, ...] | None) -> list[dict[str, object]]:
    """The soups worth comparing, against the best model alone, on the test split."""
    models = len(kitchen.models)
    by = kitchen.by
    best = best_single(val, by.metric)
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
    sets = {s: store.points(kitchen.field(s).id)[0] for s in splits.tests(kitchen.problem)[1:]}
    together = {split: known_together(s.result) for split in ("val", "test") if (s := store.status(kitchen.ensemble(split).id)) is not None}
    rows: list[dict[str, object]] = []
    for name, soup in soups:
        row: dict[str, object] = {"soup": name}
        for split, points in (("val", val), ("test", test), *sets.items()):
            value = interval(points, soup, by)
            row[f"{splits.called(split)} {by.title}"] = "…" if value is None else by.formatted(value)
        here = row_of(test, soup.tolist())
        if here is not None and reference is not None:
            apart = difference(one(test, here), one(test, reference), by.column)
            row[_apart(by)] = "" if here == reference else text(apart, by)
            if (reached := together.get("test")) is not None:
                row[f"minus that of the ensemble{by.apart}"] = text(difference(one(test, here), reached, by.column), by)
        rows.append(row)
    if all((points := together.get(split)) is not None for split in ("val", "test")):
        row = {"soup": "ensemble of all (as many passes)"}
        for split, points in together.items():
            if points is not None:
                row[f"{split} {by.title}"] = by.formatted(level(points, by.column))
                if split == "test" and reference is not None:
                    row[_apart(by)] = text(difference(points, one(test, reference), by.column), by)
        rows.append(row)
    return rows


def _apart(by: Measure) -> str:
    return f"test {by.metric} minus that of the best alone{by.apart}"


def _verdict(kitchen: Kitchen, val: Points, test: Points, path: Path) -> str:
    """What the greedy soup is worth, in a sentence."""
    by = kitchen.by
    best = best_single(val, by.metric)
    assert best is not None
    if len(path.members) == 1:  # it may be another than `best`, of equal error
        return "The greedy soup consists of the best model alone."
    here, alone = (row_of(test, np.isin(np.arange(len(kitchen.models)), members).astype(float).tolist()) for members in (path.members, (best,)))
    if here is None or alone is None:
        return "The greedy soup is still being measured on the test split."
    apart = difference(one(test, here), one(test, alone), by.column)
    says = "better than" if apart.high < 0 else "worse than" if apart.low > 0 else "indistinguishable from"
    what = "points of test error" if by.metric == "error" else f"{units.of_gap(kitchen.problem, 'loss')} of test loss".lstrip()
    return f"The greedy soup of {len(path.members)} is **{says}** the best model alone: {apart.formatted(scale=by.scale, unit=what, signed=True)}."


def _greedy(kitchen: Kitchen, path: Path | None) -> tuple[float, ...] | None:
    """The greedy soup once it is known."""
    return None if path is None or path.wanted is not None else tuple(float(k in path.members) for k in range(len(kitchen.models)))


def _actions(store: RunStore, kitchen: Kitchen) -> None:
    val, test = (store.points(kitchen.field(split).id)[0] for split in ("val", "test"))
    if (path := _walked(kitchen, val)) is None:
        return

    def compare() -> None:
        st.caption("Select models in the table: your own soup appears beside these. Other ways to make one model of them:")
        first = key_of(kitchen.models[0])
        shell.link("compare", "Other merging methods", icon=":material/balance:", a=first)
        shell.link("paths", "The barriers between them", icon=":material/hub:", view="many", a=first)

    actions(
        key=_key(kitchen),
        stem="soups",
        explain=f"{_verdict(kitchen, val, test, path)} {LIMITS}",
        compare=compare,
        table=lambda: _table(kitchen, val, test),
        figure=lambda: curve_figure.figure(
            _curves(kitchen, val, test, path),
            x_title=X_TITLE,
            y_title=kitchen.by.title,
            title=f"The greedy soup of {len(kitchen.models)} models",
            footnote=f"{READ} Bands: 95 %.",
        ),
        code=program(kitchen),
        link=query_state.link("soup", runs=kitchen.tasks()[0].run.id),
    )


def program(kitchen: Kitchen) -> str:
    """Python that finds the greedy soup again."""
    return python_source.program(
        f"models = {python_source.models(kitchen.models)}\nproblem = {python_source.spec_of(kitchen.problem)}\n"
        'soups = Field(problem, models, method("chart", "mixture"), split="val")\n'
        f"path = greedy_path(points(Run(soups, {python_source.method('sample', kitchen.greedy)})), metric={kitchen.by.metric!r}, rule={kitchen.rule!r})\n"
        "print([models[k].name for k in path.members])"
    )


def _table(kitchen: Kitchen, val: Points, test: Points) -> pd.DataFrame:
    """Every measured soup: the models' weights, and the mean of each metric."""
    frames: list[pd.DataFrame] = []
    names = [m.name or m.id for m in kitchen.models]
    for split, points in (("val", val), ("test", test)):
        if len(points):
            means = points.means()
            frames.append(
                pd.DataFrame(
                    {
                        "split": split,
                        **dict(zip(names, points.coords.T, strict=True)),
                        **({"loss": means[:, 0], "error": means[:, 1]} if kitchen.by.metric == "error" else {"loss": means[:, 0]}),
                    }
                )
            )
    return pd.concat(frames)


def _asked_of_own(kitchen: Kitchen, own: tuple[float, ...]) -> list[Run]:
    """Where the person's soup is measured besides the test split."""
    return [given(kitchen, split, own) for split in ("val", *splits.tests(kitchen.problem)[1:])]


def _reported(kitchen: Kitchen, path: Path) -> list[Run]:
    """The requests to report the soups along the greedy path on the test split: some of them where it is long, the last one among them; and that last one
    on each test set that the problem names."""
    soup = np.zeros(len(kitchen.models))
    rows: list[Array] = []
    for step in path.steps:
        if step.accepted:
            soup = soup + singles(len(kitchen.models))[step.model]
            rows.append(soup)
    if len(rows) > REPORTED:
        rows = [rows[k] for k in np.unique(np.geomspace(1, len(rows), REPORTED).round().astype(int) - 1)]
    last = tuple(float(v) for v in rows[-1])
    sets = [given(kitchen, split, last) for split in splits.tests(kitchen.problem)[1:]]
    return [given(kitchen, "test", tuple(float(v) for v in np.concatenate(rows))), *sets]


def _own(kitchen: Kitchen) -> tuple[float, ...] | None:
    """The person's own soup, from the address."""
    try:
        weights = tuple(float(part) for part in (query_state.get("soup") or "").split(","))
    except ValueError:
        return None
    return weights if len(weights) == len(kitchen.models) and np.isfinite(weights).all() and abs(sum(weights)) > 1e-9 else None


def _choose(store: RunStore, kitchen: Kitchen, own: tuple[float, ...] | None) -> None:
    """Put the person's soup into the address, and ask for it on both splits."""
    if own is None:
        query_state.put(soup=None)
        return
    query_state.put(soup=",".join(f"{w:g}" for w in own))
    for request in _asked_of_own(kitchen, own):
        shell.submit(request, urgent=True)
    inspect(store, kitchen.field("test"), own)
