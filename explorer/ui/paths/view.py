"""Several ways between two models in one picture, live while they are trained and measured: loss, length, and the model at any point."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core import glossary, locations, registry
from explorer.core.points import Points
from explorer.core.spec import Connected, Field, Run
from explorer.figures import curve as curve_figure
from explorer.figures import data, line
from explorer.figures.curve import Curve
from explorer.stats import line_words, metrics
from explorer.stats.plane_frame import Window
from explorer.stats.preview_confirmation import mark
from explorer.store.run_store import RunStore
from explorer.ui.charts.answers import Along, along
from explorer.ui.charts.curve import curve
from explorer.ui.charts.plane import Spot
from explorer.ui.frame import head, query_state, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import asked_runs, begin, progress, submit
from explorer.ui.paths import along_length, bridge_view, form, path_row
from explorer.ui.paths import plane as paths_plane
from explorer.ui.paths.export import program, words
from explorer.ui.paths.form import NamedPath, trained
from explorer.ui.widgets import model_doubts, path_metric, precision
from explorer.ui.widgets.chart_actions import actions
from explorer.ui.widgets.form_state import names_a_model
from explorer.ui.widgets.model_inspector import At, inspect, inspect_once, model_at, pick_active
from explorer.ui.widgets.model_picker import key_of

POLL_S = 0.5
DENSE = 101  # points of the dense check


INTRO = (
    "Two networks with a [[barrier]] on the straight line between them can still lie in [[one connected valley|mode connectivity]]: a curved path"
    " goes around the barrier. [[Bend|bend]] a curve until the loss is low all along it, and compare."
)


def page(store: RunStore, top: head.Form) -> None:
    """The view as a whole: form, picture, words."""
    found, asked = asked_runs(store)
    shown = [NamedPath(form.name_of(run), run) for run in found if form.is_way(run) and run.field.attack is None]
    if len(shown) < asked:
        st.warning(
            "Some paths in this link are not in this store. They may have been computed on another machine: choose the two ends and compare again; the same"
            " choice gives the same link.",
            icon=":material/link_off:",
        )
    if not asked and not names_a_model():
        begin(shown := form.default(store))
    with top(INTRO, shown=form.summary(shown), key="-".join(way.run.id for way in shown)):
        ways = form.form(store, shown)
    if ways:
        st.query_params.from_dict({"runs": submit(ways)})
        st.rerun()
    if shown:
        show(store, shown)
    else:
        st.info(
            "Press **Compare**: the straight line is measured, and a curve with one bend is trained. On the sample models it takes some seconds.",
            icon=":material/route:",
        )


def show(store: RunStore, ways: list[NamedPath]) -> None:
    """The picture, the table, and the model at the picked point of the picked way."""
    with head.controls():
        metric = path_metric.choose(ways[0].run.field, first="loss")
        log = st.toggle("Logarithmic", key="log", bind="query-params", width=140)
        by_length = st.toggle(
            "by length",
            key="length",
            bind="query-params",
            width="content",
            help="The horizontal axis is the share of the path's length instead of t.",
        )
        with_plane = st.toggle(
            "Plane", value=True, key="plane", bind="query-params", width="content", help="The plane of the chosen path, beside the curves."
        )
        names = [w.name for w in ways]
        picked = st.selectbox(
            "Clicks and plane",
            names,
            index=len(names) - 1,
            format_func="clicks and plane: {}".format,
            key=f"way-{ways[0].run.id}",
            label_visibility="collapsed",
            width=260,
        )
    ways = [replace(way, run=path_metric.measured_for(store, way.run, metric)) for way in ways]
    chosen = next(w for w in ways if w.name == picked)
    status = store.status(chosen.run.id)
    if status is not None and status.state == "done":
        if with_plane and (run := paths_plane.run_of(chosen)) is not None and store.status(run.id) is None:
            shell.submit(run)
        if (asked := _asked(chosen)) is not None:
            inspect_once(store, *asked)
    _answers(store, chosen, by_length, ask=status is not None and status.state == "done")
    active = _active(store, ways, chosen)
    live(_live, every=POLL_S, busy=active)(store, ways, chosen, metric, log, by_length, with_plane, active)
    _actions(store, ways, metric, log, by_length)
    if status is not None and status.state == "done":
        bridge_view.show(store, chosen.run.field)


def asked_t() -> float | None:
    """The picked point, from the address."""
    try:
        t = float(query_state.get("t") or "")
    except ValueError:
        return None
    return t if 0 <= t <= 1 else None


def asked_place() -> At | None:
    """The picked place of the plane, from the address."""
    try:
        u, v = (float(part) for part in (query_state.get("at") or "").split(","))
    except ValueError:
        return None
    return (u, v) if np.isfinite([u, v]).all() else None


def _asked(chosen: NamedPath) -> tuple[Field, At] | None:
    """The picked model: the field it is a point of, and its coordinates there."""
    if (t := asked_t()) is not None:
        return chosen.run.field, (t,)
    run, at = paths_plane.run_of(chosen), asked_place()
    return (run.field, at) if run is not None and at is not None else None


def _answers(store: RunStore, chosen: NamedPath, by_length: bool, *, ask: bool = False) -> Along | None:
    """What the models on the chosen path answer."""
    field = chosen.run.field

    title = f"What the models on {chosen.name} answer"
    return along(store, field, title, ask=ask, axis=lambda t: along_length.on_axis(store, field, t, by_length))


def _active(store: RunStore, ways: list[NamedPath], chosen: NamedPath) -> bool:
    ids = [run.id for way in ways for run in (way.run, _dense(way))] + [run.id for run in paths_plane.runs(chosen)]
    asked = _asked(chosen)
    if (answers := _answers(store, chosen, False)) is not None and answers.active:
        return True
    return any(s is not None and s.active for s in map(store.status, ids)) or (asked is not None and pick_active(store, *asked))


def _live(
    store: RunStore, ways: list[NamedPath], chosen: NamedPath, metric: str, log: bool, by_length: bool, with_plane: bool, was_active: bool
) -> None:
    active = _active(store, ways, chosen)
    if was_active != active:
        st.rerun()
    found: list[tuple[NamedPath, Field, Points, bool]] = []
    for way in ways:
        points, _ = store.points(way.run.field.id)
        field, stage = way.run.field, False
        if not len(points) and (earlier := _stage(store, way, metric)) is not None:
            (field, points), stage = earlier, True
        found.append((way, field, points, stage))
    curves = [_curve(store, way, field, points, stage, metric, by_length) for way, field, points, stage in found]
    ends = [c.name or c.id for c in (ways[0].run.field.corners[0], ways[0].run.field.corners[-1])]

    def picked(x: float | None) -> None:
        if x is None:
            _pick()
        else:
            _pick(store, chosen.run.field, (round(along_length.t_of(store, chosen.run.field, x) if by_length else x, 3),))

    def spotted(spot: Spot, there: Window) -> None:
        if spot.s is not None and spot.path == chosen.name:
            picked(spot.s)
        else:
            _pick(store, plane_run.field, paths_plane.coords_of(there, spot)) if plane_run is not None else None

    t = asked_t()
    answers = _answers(store, chosen, by_length)
    status = store.status(chosen.run.id)
    soon = status is not None and status.active
    plane_run = paths_plane.run_of(chosen)
    samples = next((int(p.counts.sum()) for _, _, p, _ in found if len(p)), 0)
    group = f"paths-{ways[0].run.id}"
    left, right = st.columns([5, 4], gap="medium") if with_plane and plane_run is not None else (st.container(), None)
    told = None if answers is None else answers.told(soon=soon)
    with left, head.picture(answers=told is not None):
        curve(
            curves,
            key=_key(ways, by_length),
            x_title=f"{'share of the length' if by_length else 't'}   (0 = {ends[0]}, 1 = {ends[1]})",
            y_title=line.y_title(ways[0].run.field, metric),
            x_range=(0.0, 1.0),
            pick=along_length.share_of(store, chosen.run.field, t) if by_length and t is not None else t,
            height=head.HEIGHT,
            log=log,
            on_pick=picked,
            caption=f"{samples:,} {ways[0].run.field.measured_on} samples · 95 % bands{mark(ways[0].run.field)}",
            does=f"inspect the model at a point of {chosen.name}",
            alt=f"{metrics.find(metric).called} along {len(ways)} paths between {ends[0]} and {ends[1]}.",
            group=group,
            play=True,
            answers=told,
        )
    if right is not None:
        with right:
            paths_plane.draw(
                store,
                ways,
                chosen,
                metric,
                group=group,
                axis=lambda field, at: along_length.on_axis(store, field, at, by_length),
                pick=cast("tuple[float, float] | None", asked_place()),
                on_pick=spotted,
            )
    progress(store, ways, key="paths")
    if answers is not None:
        answers.button(soon=soon)
    rows = [r for way, field, points, stage in found if (r := path_row.row(store, way, field, points, metric, in_training=stage)) is not None]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
        st.caption(
            glossary.linked(
                "The maximum is that over the measured points, and its [[interval]] holds for a maximum. The"
                " mean weights every segment of the path by its length. A path is trained on the train [[split]] and evaluated here on"
                " another one. *Higher between* is by how much a path may rise above its highest measured point, by estimate; *hidden width* is how narrow a peak as"
                " high as the barrier would have to be, in t, for no point to show it."
            )
        )
    model_doubts.show(store, (field for _, field, _, _ in found))
    if (asked := _asked(chosen)) is not None:
        points, _ = store.points(asked[0].id)
        model_at(store, *asked, points)
    if active:
        shell.tend()


def _pick(store: RunStore | None = None, field: Field | None = None, at: At = ()) -> None:
    """Put the picked point into the address, or take it out, and ask for the model there."""
    there = ",".join(f"{value:g}" for value in at) or None
    query_state.put(t=there if len(at) == 1 else None, at=there if len(at) > 1 else None)
    if store is not None and field is not None:
        inspect(store, field, at)


def _stage(store: RunStore, way: NamedPath, metric: str) -> tuple[Field, Points] | None:
    """How a way in training stood when it was last kept: measured in between, at a few points."""
    inner = next((c for c in way.run.field.corners if isinstance(c, Connected)), None)
    if inner is None:
        return None
    a, b = way.run.field.corners[0], way.run.field.corners[-1]
    newest: tuple[Field, Points] | None = None
    for k in range(20):
        early = metrics.field_for(trained(inner.problem, a, b, inner.method, at=2**k).run.field, metric)
        corners = [c for c in early.corners if isinstance(c, Connected)]
        if not all(locations.made_at(c, locations.home()).is_file() for c in corners):
            break
        points, _ = store.points(early.id)
        if len(points):
            newest = early, points
        elif store.status((request := Run(early, registry.method("sample", "grid", {"size": 9}))).id) is None:
            shell.submit(request, urgent=True)
    return newest


def _key(ways: list[NamedPath], by_length: bool) -> str:
    return f"paths-{ways[0].run.id}-{len(ways)}-{by_length}"


def _curve(store: RunStore, way: NamedPath, field: Field, points: Points, stage: bool, metric: str, by_length: bool) -> Curve:
    at = next((c.at for c in field.corners if isinstance(c, Connected)), 0)
    drawn = line.curve(field, points, metric, ghost=stage, name=f"{way.name}, after epoch {at}" if stage else way.name)
    if by_length and len(points):
        drawn = Curve(
            drawn.name, np.array([along_length.share_of(store, field, float(t)) for t in drawn.x]), drawn.y, drawn.low, drawn.high, ghost=drawn.ghost
        )
    return Curve(drawn.name, drawn.x, drawn.y, drawn.low, drawn.high, ghost=drawn.ghost)  # chords and peaks of several ways would hide each other


def _actions(store: RunStore, ways: list[NamedPath], metric: str, log: bool, by_length: bool) -> None:
    measured = [(way, points) for way in ways if len(points := store.points(way.run.field.id)[0])]
    if not measured:
        return
    field = ways[0].run.field
    a, b = field.corners[0], field.corners[-1]
    names = [m.name or m.id for m in (a, b)]
    again = {way.name: precision.again(store, way.run.field, points) for way, points in measured}

    def compare() -> None:
        st.caption("Every path chosen in the form above is drawn in this picture. The two models on other pages:")
        ends = {"a": key_of(a), "b": key_of(b)}
        shell.link("interpolate", "The straight line, alone", icon=":material/show_chart:", **ends)
        shell.link("align", "With their units aligned", icon=":material/join_inner:", **ends)

    def figure() -> go.Figure:
        drawn = [_curve(store, way, way.run.field, points, False, metric, by_length) for way, points in measured]
        x = "share of the length" if by_length else "t"
        title = f"{names[0]} → {names[1]}: {metrics.find(metric).called} along {len(drawn)} paths"
        return curve_figure.figure(
            drawn,
            x_title=f"{x}   (0 = {names[0]}, 1 = {names[1]})",
            y_title=line.y_title(field, metric),
            title=title,
            footnote=line_words.footnote(field, measured[0][1], again[measured[0][0].name]),
            log=log,
        )

    def dense() -> None:
        st.button(
            "Check densely",
            icon=":material/more_horiz:",
            on_click=_check_densely,
            args=(ways,),
            key="paths-dense",
            disabled=all(store.status(run.id) is not None for run in map(_dense, ways)),
            help=f"Measures every path at {DENSE} points, so that every rise wider than {1 / (DENSE - 1):g} in t has a point on it.",
        )

    actions(
        key=_key(ways, by_length),
        stem="paths",
        explain=words(measured, metric, again),
        compare=compare,
        table=lambda: pd.concat([data.frame(line.table(w.run.field, p, again[w.name]), w.run.field, way=w.name) for w, p in measured]),
        figure=figure,
        code=program(ways),
        link=query_state.link("paths"),
        more=dense,
    )


def _dense(way: NamedPath) -> Run:
    return Run(way.run.field, registry.method("sample", "grid", {"size": DENSE}))


def _check_densely(ways: list[NamedPath]) -> None:
    for way in ways:
        shell.submit(_dense(way))
