"""An alignment as it is being made, and what came of it: the barrier before and after, and what became of every unit."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core import locations, splits
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.points import Points
from explorer.core.spec import Run
from explorer.figures import curve as curve_figure
from explorer.figures import data, line
from explorer.figures.curve import Curve
from explorer.stats import line_metrics, line_words, metrics, units
from explorer.stats.alignment_words import freedom, lowered, tried
from explorer.stats.intervals import Estimate
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.symmetry.alignment_report import Matched
from explorer.ui.align.details import details
from explorer.ui.align.form import Comparison
from explorer.ui.charts.answers import Along, along
from explorer.ui.charts.curve import curve
from explorer.ui.frame import failure, head, query_state, shell, status_badge
from explorer.ui.frame.polling import live
from explorer.ui.widgets import model_doubts, path_metric, python_source
from explorer.ui.widgets.chart_actions import actions
from explorer.ui.widgets.download import download
from explorer.ui.widgets.missing_barrier import no_barrier
from explorer.ui.widgets.model_picker import key_of
from explorer.ui.widgets.recipe_view import file_name

POLL_S = 0.5


def submit(comparison: Comparison) -> str:
    """Request for all of a comparison's lines; the id under which it is found again."""
    for run in comparison.runs(shell.store()):
        shell.submit(run)
    return comparison.after(1).id


def begin(comparison: Comparison) -> None:
    """Request for what a first visit shows, where nobody has yet, to be done when nothing else is to do."""
    for run in comparison.runs(shell.store()):
        if shell.store().status(run.id) is None:
            shell.submit(run, idle=True)


def show(store: RunStore, comparison: Comparison) -> None:
    """Everything about one alignment; while it is being worked on, the page looks again every half second."""
    names = [m.name or m.id for m in comparison.models]
    with head.controls():
        metric = path_metric.choose(comparison.after(1).field, first="loss")
        log = st.toggle("Logarithmic", key="log", bind="query-params", width=140)
        i = 1
        if len(names) > 2:
            picked = st.segmented_control(
                "Model", list(range(1, len(names))), default=1, format_func=lambda k: plain(names[k]), key="align-model", label_visibility="collapsed"
            )
            i = picked or 1
    for run in comparison.runs(store):
        path_metric.measured_for(store, run, metric)
    comparison = replace(comparison, metrics=metrics.field_for(comparison.after(1).field, metric).metrics)
    statuses = _statuses(store, comparison)
    answers = _answers(store, comparison, i, ask=_all_done(store, comparison, statuses))
    active = _active(statuses) or (answers is not None and answers.active)
    live(_live, every=POLL_S, busy=active)(store, comparison, i, metric, log, active)
    path = locations.matched(comparison.aligned[0], locations.home())
    if not path.is_file():
        if not any(s.active or s.state == "failed" for s in _statuses(store, comparison)):
            _again(store, comparison)
        return
    try:
        found = Matched.read(path)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    _actions(store, comparison, i, metric, log)
    details(comparison, found, i, program(comparison))


def _answers(store: RunStore, comparison: Comparison, i: int, *, ask: bool = False) -> Along | None:
    """What the models on the line after the alignment answer."""
    a, b = (comparison.models[k].name or comparison.models[k].id for k in (0, i))
    return along(store, comparison.after(i).field, f"What the models between {a} and the aligned {b} answer", ask=ask)


def _all_done(store: RunStore, comparison: Comparison, statuses: list[Status]) -> bool:
    return len(statuses) == len(comparison.runs(store)) and all(s.state == "done" for s in statuses)


def _statuses(store: RunStore, comparison: Comparison) -> list[Status]:
    return [s for s in map(store.status, (r.id for r in comparison.runs(store))) if s is not None]


def _active(statuses: list[Status]) -> bool:
    return any(s.active for s in statuses)


def _live(store: RunStore, comparison: Comparison, i: int, metric: str, log: bool, was_active: bool) -> None:
    statuses = _statuses(store, comparison)
    answers = _answers(store, comparison, i)
    working = _active(statuses)
    active = working or (answers is not None and answers.active)
    if was_active != active:
        st.rerun()
    before, after = comparison.before(i), comparison.after(i)
    measured, _ = store.points(before.field.id)
    matched, _ = store.points(after.field.id)
    title = comparison.method.name.replace("_", " ")
    samples = max((int(points.counts.sum()) for points in (measured, matched) if len(points)), default=0)
    curves = _curves(store, comparison, i, metric)
    names = [m.name or m.id for m in comparison.models]
    left, right = st.columns([7, 3], gap="medium")
    told = None if answers is None else answers.told(soon=working)
    with left, head.picture(answers=told is not None):
        t = curve(
            curves,
            key=f"align-{after.id}",
            x_title=f"t   (0 = {names[0]}, 1 = {names[i]})",
            y_title=line.y_title(after.field, metric),
            x_range=(0.0, 1.0),
            pick=None,
            height=head.HEIGHT,
            log=log,
            caption=f"{len(measured)} points before and {len(matched)} after · {samples:,} {after.field.measured_on} samples · 95 % bands",
            does="inspect the model at a point",
            play=True,
            answers=told,
            alt=f"{metrics.find(metric).called} along the straight line before and after {title}.",
        )
    if t is not None and not working:
        st.session_state.pop(f"align-{after.id}", None)
        shell.go("interpolate", run=after.id, t=f"{t:g}")
    with left:
        _progress(store, comparison, statuses)
        if answers is not None:
            answers.button(soon=working)
        model_doubts.show(store, [before.field, after.field])
    with right:
        if len(curves) > 1 and (working or (len(measured) and len(matched))):
            _numbers(measured, matched, metric, after, names[i])
        elif len(matched) and (found := line_metrics.barrier_of(matched, after.field.metrics, metric)):
            st.metric("Barrier after", line_words.shown(found, unit=units.of_gap(after.field.problem, metric)).split(" [")[0])
            st.markdown(line_words.explain(after.field, matched, metric, sampler=after.sampler))
            st.caption(f"**{plain(names[i])}** has different widths from **{plain(names[0])}**: before the alignment no straight line joins them.")
    if active:
        shell.tend()


def _progress(store: RunStore, comparison: Comparison, statuses: list[Status]) -> None:
    failure.several((("", status) for status in statuses), key="align")
    running = next((s for s in statuses if s.state == "running"), next((s for s in statuses if s.active), None))
    if running is None and all(s.state != "stopped" for s in statuses) and len(statuses) == len(comparison.runs(store)):
        return
    words, button = st.columns([5, 1], vertical_alignment="center")
    if running is not None:
        shares = [1.0 if s.state == "done" else min(s.done / s.total, 1.0) if s.total else 0.0 for s in statuses]
        with words:
            st.progress(sum(shares) / len(shares), text=status_badge.sentence(running))
        with button:
            st.button(
                "Stop", icon=":material/stop:", on_click=shell.stop, args=tuple(s.id for s in statuses if s.active), key="align-stop", width="stretch"
            )
    else:
        with words:
            st.caption("Stopped. What was measured is kept." if statuses else "This has not been computed here yet.")
        with button:
            st.button("Resume", icon=":material/play_arrow:", on_click=_resume, args=(comparison,), key="align-resume", width="stretch")


def _resume(comparison: Comparison) -> None:
    submit(comparison)


def _numbers(before: Points, after: Points, metric: str, run: Run, name: str) -> None:
    first, second = (line_metrics.barrier_of(points, run.field.metrics, metric) if len(points) else None for points in (before, after))
    if first is None or second is None:
        no_barrier("Barrier after", before, after)
        return
    scale, unit = units.scale(metric), units.of_gap(run.field.problem, metric)
    one, two = st.columns(2)
    with one:
        _metric(units.titled("Barrier before", unit), first.height, scale)
    with two:
        _metric(units.titled("Barrier after", unit), second.height, scale)
    st.markdown(_words(before, after, metric, run))
    moved = abs(first.ends[1] - second.ends[1]) > 1e-5 * max(1.0, abs(first.ends[1])) or abs(first.ends[0] - second.ends[0]) > 1e-5
    if moved:
        st.warning(
            f"This method changes what the models compute: at the ends the {metrics.find(metric).called} was {scale * first.ends[0]:.4g} and {scale * first.ends[1]:.4g}{units.after(unit)},"
            f" and is {scale * second.ends[0]:.4g} and {scale * second.ends[1]:.4g} after it. Compare the curves, not only the barriers.",
            icon=":material/warning:",
        )
    else:
        st.caption(f":material/check: The aligned **{plain(name)}** computes the same function as before: the ends of both curves are equal.")


def _metric(title: str, height: Estimate, scale: float) -> None:
    value, low, high = height.parts(scale=scale)
    st.metric(title, value)
    st.caption(f"95 % interval [{low}, {high}]")


def _words(before: Points, after: Points, metric: str, run: Run) -> str:
    """What the alignment did to the barrier; of models of other widths, what the line after it is like."""
    first, second = (line_metrics.barrier_of(points, run.field.metrics, metric) if len(points) else None for points in (before, after))
    lower = line_metrics.reduction_of(before, after, run.field.metrics, metric) if first is not None and second is not None else None
    if first is None or second is None or lower is None:
        return line_words.explain(run.field, after, metric, sampler=run.sampler)
    scale, unit = units.scale(metric), units.of_gap(run.field.problem, metric)
    said = lowered(first, second, lower, scale=scale, unit=unit, how=tried(run.field.corners), due_to=freedom(run.field.corners))
    between = (f"*{when}:* {line_words.unseen(run.field, points, metric, run.sampler)}" for when, points in (("Before", before), ("After", after)))
    return "\n\n".join((said, *between))


def _again(store: RunStore, comparison: Comparison) -> None:
    make = comparison.make()
    status = store.status(make.id)
    if status is not None and status.active:
        st.progress(0.0, text=status_badge.sentence(status))
        live(_wait, every=POLL_S, busy=True)(store, make.id)
    elif status is not None and status.state == "failed":
        failure.show(status)
    else:
        st.caption("The aligned checkpoints are no longer on this machine.")
        st.button("Align again", icon=":material/join_inner:", on_click=_make_again, args=(store, comparison), key="align-again")


def _make_again(store: RunStore, comparison: Comparison) -> None:
    shell.submit(comparison.make(), urgent=True, again=True)


def _wait(store: RunStore, id: str) -> None:
    status = store.status(id)
    if status is None or not status.active:
        st.rerun()
    shell.tend()


def _actions(store: RunStore, comparison: Comparison, i: int, metric: str, log: bool) -> None:
    after, model = comparison.after(i), comparison.aligned[i]
    before_points, after_points = (store.points(run.field.id)[0] for run in (comparison.before(i), after))
    if not len(after_points):
        return

    def compare() -> None:
        st.caption("The line before the alignment is dashed in this picture. Choose another method in the form above; other paths between these two:")
        shell.link("interpolate", "The line between the aligned models", icon=":material/show_chart:", run=after.id)
        ends = {"a": key_of(comparison.models[0]), "b": key_of(comparison.models[i])}
        shell.link("paths", "A curve between them", icon=":material/route:", **ends)
        shell.link("landscape", "The plane of both and the aligned copy", icon=":material/landscape:", **ends, c=key_of(model))

    def save() -> None:
        path = locations.made_at(model, locations.home())
        if path.is_file():
            download("Aligned checkpoint", path, f"{file_name(model)}.safetensors", icon=":material/download:", key="aligned", width="content")

    actions(
        key=f"align-{after.id}",
        stem="alignment",
        explain=_words(before_points, after_points, metric, after),
        compare=compare,
        table=lambda: _table(store, comparison, i),
        figure=lambda: _figure(store, comparison, i, metric, log),
        code=program(comparison),
        link=query_state.link("align", run=comparison.after(1).id),
        more=save,
    )


def _curves(store: RunStore, comparison: Comparison, i: int, metric: str) -> list[Curve]:
    """After the alignment, and dashed before it, where a straight line led from one to the other."""
    before, after = comparison.before(i), comparison.after(i)
    curves = [line.curve(after.field, store.points(after.field.id)[0], metric, name=f"after {comparison.method.name.replace('_', ' ')}")]
    if comparison.straight(store, i):
        curves.append(line.curve(before.field, store.points(before.field.id)[0], metric, ghost=True, name="before"))
    return curves


def _figure(store: RunStore, comparison: Comparison, i: int, metric: str, log: bool) -> go.Figure:
    field = comparison.after(i).field
    names = [m.name or m.id for m in comparison.models]
    return curve_figure.figure(
        _curves(store, comparison, i, metric),
        x_title=f"t   (0 = {names[0]}, 1 = {names[i]})",
        y_title=line.y_title(field, metric),
        title=f"{names[0]} → {names[i]}: {metrics.find(metric).called} before and after {comparison.method.name.replace('_', ' ')}",
        footnote=line_words.footnote(field, store.points(field.id)[0]),
        log=log,
    )


def _table(store: RunStore, comparison: Comparison, i: int) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    for when, run in (("before", comparison.before(i)), ("after", comparison.after(i))):
        points, _ = store.points(run.field.id)
        if len(points):
            frames.append(data.frame(line.table(run.field, points), run.field, alignment=when))
    return pd.concat(frames)


def program(comparison: Comparison) -> str:
    """Python that aligns and measures again."""
    models = "".join(f"    {python_source.model(m)},\n" for m in comparison.models)
    return python_source.program(
        f"aligned = align(\n{models}    method={comparison.method.name!r},\n    method_options={comparison.method.kwargs()!r},\n"
        f"    problem={python_source.problem(comparison.problem)},\n    split={splits.called(comparison.split)!r},\n    samples={comparison.samples},\n"
        f"    buffers={comparison.buffers!r},\n)\nprint(aligned.pairs[0].reduction())"
    )
