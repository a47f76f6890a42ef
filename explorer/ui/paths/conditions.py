"""Paths between two models under other conditions: inputs moved by an adversary, a planted cue taken away. The Paths page's third view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core import glossary, registry
from explorer.core.markdown import plain
from explorer.core.points import Points
from explorer.core.spec import Attack, Field, ProblemSpec, Run
from explorer.figures import curve as curve_figure
from explorer.figures import data, line, report
from explorer.figures.curve import Curve
from explorer.stats import line_metrics, line_words, metrics, units
from explorer.stats.barriers import highest
from explorer.stats.intervals import Estimate
from explorer.stats.mechanistic_similarity import interventions, similarity
from explorer.store.run_store import RunStore
from explorer.ui.charts.curve import curve
from explorer.ui.frame import head, query_state, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import active, asked_runs, begin, progress, submit
from explorer.ui.paths import form
from explorer.ui.paths.form import NamedPath
from explorer.ui.widgets import path_metric, python_source
from explorer.ui.widgets.chart_actions import actions, corner
from explorer.ui.widgets.form_state import names_a_model

POLL_S = 0.5
PLAIN = "as they are"
WAYS = (form.STRAIGHT, "bezier", "robust")
COLUMNS = 3
ATTACK = Attack("linf", 0.1)
NORMS: dict[Literal["linf", "l2"], str] = {"linf": "l∞", "l2": "l2"}

Change: TypeAlias = Callable[[Field], Field]
"""A field as it is → the same points measured under a condition."""


@dataclass(frozen=True)
class Case:
    """A way under a condition, and the request to measure it."""

    way: str
    condition: str
    run: Run

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return f"{self.way}, inputs {self.condition}"


INTRO = (
    "The test of a path is a condition it was not trained for. An **adversary** moves every input a little, to where the loss is highest. On a"
    " problem with a planted **cue**, the cue is kept, removed, or set at random: models that rely on different features respond differently."
)


def page(store: RunStore, top: head.Form) -> None:
    """The view as a whole: form, one picture for each condition, numbers."""
    found, asked = asked_runs(store)
    cases = [Case(form.name_of(run), condition_of(run.field), run) for run in found if form.is_way(run)]
    if len(cases) < asked:
        st.warning("Some runs in this link are not in this store. Choose the ends and measure again.", icon=":material/link_off:")
    if not asked and not names_a_model():
        begin(cases := _first(store))
    conditions = list(dict.fromkeys(f"inputs {case.condition}" for case in cases))
    with top(INTRO, shown=form.summary(cases, conditions), key=cases[0].run.id if cases else ""):
        wanted = _form(store, cases)
    if wanted:
        st.query_params.from_dict({"view": "conditions", "runs": submit(wanted)})
        st.rerun()
    if cases:
        _show(store, cases)
    else:
        st.info("Press **Measure**: every chosen path is measured under every condition, on the same samples.", icon=":material/shield:")


def condition_of(field: Field) -> str:
    """What was done to the inputs of a field."""
    said: list[str] = []
    cue = field.problem.data.kwargs().get("cue")
    if cue is not None:
        said.append(f"with the cue {cue}")
    if field.attack is not None:
        said.append(f"attacked, {NORMS[field.attack.norm]} ≤ {field.attack.radius:g}")
    return " and ".join(said) or PLAIN


def _form(store: RunStore, shown: list[Case]) -> list[Case] | None:
    key = f"conditions-{shown[0].run.id if shown else 'new'}"
    with st.container():
        ends = form.choose_ends(store, [case.run.field for case in shown], key=key)
        if ends is None:
            return None
        makers = form.choose_ways([NamedPath(case.way, case.run) for case in shown], WAYS, key=key)
        before = next((case.run.field.attack for case in shown if case.run.field.attack), ATTACK)
        which, norm, radius, steps = st.columns([4, 1, 1, 1])
        known = {f"cue {name}": spec for name, spec in interventions(ends.problem).items()}
        with which:
            was = [name for name in ("attacked", *known) if any(name.removeprefix("cue ") in case.condition for case in shown)]
            chosen = st.multiselect(
                "Conditions, besides the inputs as they are",
                ["attacked", *known],
                default=was if shown else [*known] or ["attacked"],
                key=f"{key}-{ends.problem.id}-conditions",
            )
        with norm:
            kind = st.selectbox("Norm", list(NORMS), index=list(NORMS).index(before.norm), format_func=NORMS.__getitem__, key=f"{key}-norm")
        with radius:
            size = st.number_input(
                "Radius",
                value=before.radius,
                min_value=0.0,
                format="%g",
                key=f"{key}-radius",
                help="Per sample, in the units of the network's input.",
            )
        with steps:
            count = st.number_input(
                "Steps", value=before.steps, min_value=1, max_value=1000, key=f"{key}-steps", help="Of projected gradient ascent."
            )
        with ends.aside:
            pressed = st.button("Measure", type="primary", icon=":material/shield:", key=f"{key}-go", width="stretch", disabled=not makers)
        below = st.container()
    changes: list[Change] = [lambda field: field]
    changes += [_under(spec) for name, spec in known.items() if name in chosen and spec != ends.problem]
    if "attacked" in chosen:
        changes.append(lambda field: replace(field, attack=Attack(kind, float(size), int(count))))
    wanted = _cases([make(ends.problem, ends.a, ends.b) for make in makers], changes)
    if shown:
        with below:
            form.note(shown, wanted, "Measure")
    return wanted if pressed else None


def _first(store: RunStore) -> list[Case]:
    """What a first visit shows: the ways between the first two models, on inputs as they are and attacked."""
    ends = form.first_ends(store)
    if ends is None:
        return []
    ways = [form.straight(*ends), *(form.trained(*ends, registry.method("connect", name)) for name in WAYS[1:])]
    return _cases(ways, [lambda field: field, lambda field: replace(field, attack=ATTACK)])


def _cases(ways: list[NamedPath], changes: list[Change]) -> list[Case]:
    """Every way under every condition."""
    fields = [(way, change(way.run.field)) for change in changes for way in ways]
    return [Case(way.name, condition_of(field), Run(field, way.run.sampler)) for way, field in fields]


def _under(spec: ProblemSpec) -> Change:
    return lambda field: replace(field, problem=spec)


def _show(store: RunStore, cases: list[Case]) -> None:
    with head.controls():
        metric = path_metric.choose(cases[0].run.field, first="error")
        log = st.toggle("Logarithmic", key="log", bind="query-params", width=140)
    cases = [replace(case, run=path_metric.measured_for(store, case.run, metric)) for case in cases]
    busy = active(store, cases)
    live(_live, every=POLL_S, busy=busy)(store, cases, metric, log, busy)
    _actions(store, cases, metric, log)


def _live(store: RunStore, cases: list[Case], metric: str, log: bool, was_active: bool) -> None:
    busy = active(store, cases)
    if was_active != busy:
        st.rerun()
    points = {case: store.points(case.run.field.id)[0] for case in cases}
    conditions = list(dict.fromkeys(case.condition for case in cases))
    drawn = {case: _curve(case, points[case], metric) for case in cases}
    room = _room(list(drawn.values()))
    starts = range(0, len(conditions), COLUMNS)
    for start in starts:
        for column, condition in zip(
            st.columns(COLUMNS if len(conditions) >= COLUMNS else len(conditions)), conditions[start : start + COLUMNS], strict=False
        ):
            with column, st.container() if start else head.picture(f"condition-{conditions.index(condition)}"):
                under = {case: c for case, c in drawn.items() if case.condition == condition}
                _picture(under, condition, metric, log, room, head.HEIGHT if len(starts) == 1 else 300)
                if known := {case: points[case] for case in under if len(points[case])}:
                    _corner(known, next(iter(under)), metric, log)
    progress(store, cases, key="conditions")
    if rows := [row for case in cases if (row := _row(case, points[case], metric)) is not None]:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
        st.caption(
            glossary.linked(
                "Every condition is measured on the same samples, so differences between rows of one path are more certain than their [[intervals|interval]] suggest. What the"
                " [[adversary]] does is found by gradient ascent: the true worst case may be higher."
            )
        )
    _mechanisms(cases, points)
    if busy:
        shell.tend()


def _room(drawn: list[Curve]) -> tuple[float, float] | None:
    """The values of all pictures and their bands, for one scale."""
    values = np.concatenate([edge[np.isfinite(edge)] for c in drawn for edge in (c.y, c.low, c.high) if edge is not None])
    return (float(values.min()), float(values.max())) if values.size else None


def _picture(drawn: dict[Case, Curve], condition: str, metric: str, log: bool, room: tuple[float, float] | None, height: int) -> None:
    """The ways under one condition."""
    first = next(iter(drawn))
    field = first.run.field
    a, b = line_words.names(field)
    st.markdown(f"**Inputs {condition}**")
    curve(
        list(drawn.values()),
        key=f"conditions-{first.run.id}",
        x_title=f"t   (0 = {a}, 1 = {b})",
        y_title=line.y_title(field, metric),
        x_range=(0.0, 1.0),
        y_range=room,
        pick=None,
        on_pick=_to_the_models,
        does="see the models there, on inputs as they are",
        height=height,
        log=log,
        alt=f"{metric} along {len(drawn)} paths between {a} and {b}, inputs {condition}.",
        group=f"conditions-{field.problem.network.name}",
        play=True,
    )


def _corner(those: Mapping[Case, Points], first: Case, metric: str, log: bool) -> None:
    """What one takes from the picture of one condition; first: the case that it is called after."""
    corner(
        key=f"conditions-{first.run.id}",
        stem="condition",
        title=f"Inputs {first.condition}",
        figure=lambda: _figure(those, metric, log),
        explain=words(those, metric),
        code=program(list(those)),
    )


def _curve(case: Case, points: Points, metric: str) -> Curve:
    return replace(line.curve(case.run.field, points, metric, name=case.way), chord=None, peak=None)


def _to_the_models(t: float | None) -> None:
    """From a place on a picture to the same place among the ways as they are."""
    if t is not None:
        query_state.put(view=None, runs=_plain(), t=f"{t:g}")


def _plain() -> str:
    """Those of the address's runs that are on inputs as they are, as an address has them."""
    known = [(id, one) for id in st.query_params.get("runs", "").split(",") if (one := _run(id)) is not None]
    return ",".join(id for id, one in known if condition_of(one.field) in (PLAIN, "with the cue kept"))


def _run(id: str) -> Run | None:
    status = shell.store().status(id)
    return status.request if status is not None and isinstance(status.request, Run) else None


def _row(case: Case, points: Points, metric: str) -> dict[str, object] | None:
    if not len(points):
        return None
    scale, unit = units.scale(metric), units.of_level(case.run.field.problem, metric)
    ordered = points.sorted()
    mean = metrics.means(ordered, case.run.field.metrics, metric) * scale
    worse = -mean if line_metrics.falls(metric) else mean
    return {
        "path": case.way,
        "inputs": case.condition,
        units.titled("ends", unit): f"{mean[0]:.3g}, {mean[-1]:.3g}",
        f"{units.titled('minimum' if line_metrics.falls(metric) else 'maximum', unit)}, 95 %": _worst(case, points, metric).formatted(scale=scale),
        "at t": f"{ordered.coords[int(np.nanargmax(worse)), 0]:.3g}" if np.isfinite(worse).any() else "",
        "points": len(points),
    }


def _worst(case: Case, points: Points, metric: str) -> Estimate:
    """The worst value of a metric over all points, with the interval of an extreme."""
    found = highest(line_metrics.worse_upward(points, case.run.field.metrics, metric))
    return Estimate(-found.value, -found.high, -found.low) if line_metrics.falls(metric) else found


def _mechanisms(cases: list[Case], points: dict[Case, Points]) -> None:
    """How alike the two ends answer to the interventions, as a number: any way holds both ends."""
    first = [case for case in cases if case.way == cases[0].way and case.run.field.attack is None]
    known = {str(case.run.field.problem.data.kwargs().get("cue")): points[case] for case in first}
    if len(known) < 2 or "kept" not in known or not all(map(_has_ends, known.values())):
        return
    found = similarity(known)
    a, b = line_words.names(cases[0].run.field)
    st.metric(f"Similarity of the mechanisms of {plain(a)} and {plain(b)}", _interval(found))
    st.caption(
        "1 minus the largest difference between the two models' changes in error when the cue is changed. 1: they respond to every intervention alike. That two"
        " models are not joined by a straight line points to different mechanisms; that they are joined on the original data does not show equal ones: look at"
        " the line under every intervention (Lubana et al. 2023)."
    )


def _has_ends(points: Points) -> bool:
    return len(points) > 0 and {0.0, 1.0} <= set(points.coords[:, 0].tolist())


def _interval(found: Estimate) -> str:
    return found.formatted()


def _actions(store: RunStore, cases: list[Case], metric: str, log: bool) -> None:
    points = {case: found for case in cases if len(found := store.points(case.run.field.id)[0])}
    if not points:
        return

    def compare() -> None:
        st.caption("Choose other paths and conditions in the form above; each gets a picture beside the others.")
        if runs := _plain():
            shell.link("paths", "The models on these paths, inputs as they are", icon=":material/route:", runs=runs)

    actions(
        key="conditions",
        stem="conditions",
        explain=words(points, metric),
        compare=compare,
        table=lambda: pd.concat(
            [data.frame(line.table(c.run.field, found), c.run.field, way=c.way, inputs=c.condition) for c, found in points.items()]
        ),
        page=lambda: report.page("Paths between two models under conditions", _pictures(points, metric, log), None),
        code=program(cases),
        link=query_state.link("paths"),
    )


def words(points: Mapping[Case, Points], metric: str) -> str:
    """How high each way gets under each condition."""
    scale = units.scale(metric)
    tops = {case: _worst(case, found, metric) for case, found in points.items()}
    extreme, bound = ("lowest", "at least") if line_metrics.falls(metric) else ("highest", "at most")
    said = [f"- **{plain(c.name)}**: {bound} {t.formatted(scale=scale, unit=units.of_level(c.run.field.problem, metric))}" for c, t in tops.items()]
    return (
        f"The {extreme} measured {line_words.called(next(iter(points)).run.field, metric)} on each path:\n"
        + "\n".join(said)
        + (
            "\n\nEvery condition is measured on the same samples. An attack is found by gradient ascent: the true worst case may be higher. Intervals"
            " are 95 %, over samples, not over training seeds."
        )
    )


def _pictures(points: Mapping[Case, Points], metric: str, log: bool) -> list[report.Section]:
    """One picture for each condition."""
    made: list[report.Section] = []
    for condition in dict.fromkeys(case.condition for case in points):
        those = {case: found for case, found in points.items() if case.condition == condition}
        made.append(report.Section(f"Inputs {condition}", figure=_figure(those, metric, log)))
    return made


def _figure(points: Mapping[Case, Points], metric: str, log: bool) -> go.Figure:
    """Ways under one condition, on paper."""
    first = next(iter(points))
    return curve_figure.figure(
        [_curve(case, found, metric) for case, found in points.items()],
        x_title=line.x_title(first.run.field),
        y_title=line.y_title(first.run.field, metric),
        title=f"Inputs {first.condition}",
        footnote=line_words.footnote(first.run.field, points[first]),
        log=log,
    )


def program(cases: Sequence[Case]) -> str:
    """Python that measures the ways under the conditions again."""
    error = cases[0].run.field.metrics.index("error")
    body = f"for name, found in measured.items():\n    print(name, highest(found, {error}))"
    return python_source.program(python_source.runs({case.name: case.run for case in cases}) + body)
