"""A line as it is being measured, and as it stands: curve, numbers, words, and the model at the point one picks."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explorer.core import significant_digits
from explorer.core.markdown import plain, spoken
from explorer.core.points import Points
from explorer.core.spec import Field, Run
from explorer.figures import data, line
from explorer.stats import line_metrics, line_words, metrics, perplexity, units
from explorer.stats.barriers import Barrier
from explorer.stats.preview_confirmation import mark
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.ui.charts.answers import Along, along
from explorer.ui.charts.curve import Curve, curve
from explorer.ui.frame import expertise, failure, head, query_state, shell, status_badge
from explorer.ui.frame.polling import live, turned
from explorer.ui.widgets import model_doubts, path_metric, precision, python_source
from explorer.ui.widgets.chart_actions import actions
from explorer.ui.widgets.missing_barrier import no_barrier
from explorer.ui.widgets.model_inspector import inspect, inspect_once, model_at, pick_active
from explorer.ui.widgets.model_picker import key_of

POLL_S = 0.5


def show(store: RunStore, run_id: str) -> None:
    """Everything about one run; while it or a picked model is being worked on, the page looks again every half second."""
    status = store.status(run_id)
    if status is None or not isinstance(status.request, Run):
        return
    run = status.request
    with head.controls():
        metric = path_metric.choose(run.field, first="loss")
        log = st.toggle("Logarithmic", key="log", bind="query-params", width=140)
        run = path_metric.measured_for(store, run, metric)
        run_id, status = run.id, store.status(run.id) or status
        others = _others(store, run)
        with st.popover("Compare with other lines", icon=":material/compare_arrows:"):
            chosen = st.multiselect(
                "Runs drawn dashed in the same picture",
                list(others),
                format_func=lambda i: _name(others[i]),
                key=f"compare-{run_id}",
                max_selections=4,
            )
    t = _asked_t()
    if t is not None and status.state == "done":
        inspect_once(store, run.field, (t,))
    answers = _answers(store, run.field, ask=status.state == "done")
    polling = status.active or (answers is not None and answers.active) or pick_active(store, run.field, (t,) if t is not None else None)
    live(_live, every=POLL_S, busy=polling, answers=True)(store, run_id, metric, log, [others[i] for i in chosen], polling)
    _actions(store, run, metric, log, [others[i] for i in chosen])


def _live(store: RunStore, run_id: str, metric: str, log: bool, others: list[Status], was_polling: bool) -> None:
    status = store.status(run_id)
    if status is None or not isinstance(status.request, Run):  # taken off the list in another window
        st.rerun()
    field, sampler = status.request.field, status.request.sampler
    t = _asked_t()
    answers = _answers(store, field)
    # asked before the points are read: what ends in between is seen next time
    active = status.active or (answers is not None and answers.active) or pick_active(store, field, (t,) if t is not None else None)
    turned(was_polling, active)
    points, _ = store.points(field.id)
    again = precision.again(store, field, points)
    curves = [line.curve(field, points, metric, again=again), *_ghosts(store, others, metric)]

    def picked(x: float | None) -> None:
        if x is None:
            query_state.put(t=None)
            return
        at = float(rounded_t(x))
        query_state.put(t=f"{at:g}")
        inspect(store, field, (at,))

    left, right = st.columns([7, 3], gap="medium")
    told = None if answers is None else answers.told(soon=status.active)
    with left, head.picture(answers=told is not None):
        curve(
            curves,
            key=f"curve-{run_id}",
            x_title=line.x_title(field),
            y_title=line.y_title(field, metric),
            x_range=(0.0, 1.0),
            pick=t,
            height=head.HEIGHT,
            log=log,
            on_pick=picked,
            caption=f"{len(points)} measured points · {int(points.counts.sum()) if len(points) else 0:,} {field.measured_on} samples · 95 % band",
            does="inspect the model at a point",
            play=True,
            answers=told,
            alt=f"{metric} along the straight line. {spoken(line_words.explain(field, points, metric, again, sampler=sampler))}",
        )
    with left:
        _progress(store, status)
        if answers is not None:
            answers.button(soon=status.active)
        if len(points):
            model_doubts.show(store, (f.request.field for f in (status, *others) if isinstance(f.request, Run)))
            st.markdown(line_words.explain(field, points, metric, again, sampler=sampler))
    judged = line.quoted(field, points, again)
    found = line_metrics.barrier_of(judged, field.metrics, metric) if len(judged) else None
    with right:
        if status.active or len(points):
            _numbers(store, field, found, metric, judged)
    if t is not None:
        model_at(store, field, (t,), points)
    if status.active:
        shell.tend()


def _answers(store: RunStore, field: Field, *, ask: bool = False) -> Along | None:
    a, b = line_words.names(field)
    return along(store, field, f"What the models between {a} and {b} answer", ask=ask)


def _ghosts(store: RunStore, others: list[Status], metric: str) -> list[Curve]:
    """The lines that are compared with."""
    runs = [(other, other.request) for other in others if isinstance(other.request, Run)]
    return [line.curve(run.field, store.points(run.field.id)[0], metric, ghost=True, name=_name(other)) for other, run in runs]


def _progress(store: RunStore, status: Status) -> None:
    if status.state == "failed":
        failure.show(status)
        return
    words, button = st.columns([5, 1], vertical_alignment="center")
    with words:
        if status.active:
            st.progress(min(status.done / status.total, 1.0) if status.total else 0.0, text=status_badge.sentence(status))
        else:
            st.caption(status_badge.sentence(status))
    with button:
        if status.active:
            st.button("Stop", icon=":material/stop:", on_click=shell.stop, args=(status.id,), key=f"stop-{status.id}", width="stretch")
        elif status.state == "stopped":
            st.button(
                "Resume", icon=":material/play_arrow:", on_click=shell.resume, args=(status.request,), key=f"resume-{status.id}", width="stretch"
            )


def _numbers(store: RunStore, field: Field, found: Barrier | None, metric: str, points: Points) -> None:
    if found is None:
        no_barrier("Barrier", points)
        return
    scale, unit = units.scale(metric), units.of_gap(field.problem, metric)
    value, low, high = found.height.parts(scale=scale)
    st.metric(
        "Barrier",
        f"{value}{units.after(unit)}",
        help="max over t of L(t) − (1−t)·L(0) − t·L(1), over the measured points (Frankle et al. 2020; Entezari et al. 2022), estimated so that looking for the"
        " highest of noisy points does not make it too high.",
    )
    st.markdown(f"95 % interval **[{low}, {high}]**, highest at t = {found.at:.3g}")
    st.markdown(line_words.verdict_words(field.problem, found))
    if metric == "loss" and perplexity.applies(field.problem):
        a, b, top = map(perplexity.from_loss, (*found.ends, found.peak))
        st.markdown(f"Perplexity **{a:.4g}** and **{b:.4g}** at the ends, **{top:.4g}** at the highest point")
    if expertise.on():
        _other_definitions(found, scale, unit)
    _ends(store, field, points, metric)
    known = store.field(field.id)
    if known is not None:
        st.caption(
            f"Distance between the ends in weight space: {known.distances()[0, 1]:.4g}, cosine {known.cosines()[0, 1]:.4f}"
            f" ({known.facts['parameters']:,} parameters)."
        )


def _other_definitions(found: Barrier, scale: float, unit: str) -> None:
    with st.expander("Other definitions", icon=":material/function:"):
        rows = [(n, x.formatted(scale=scale)) for n, x in found.others]
        rows.append(("highest measured L(t) − line, too high on average", significant_digits.number(scale * found.measured)))
        st.dataframe(
            pd.DataFrame([{"definition": n, f"{units.titled('value', unit)}, 95 %": x} for n, x in rows]),
            hide_index=True,
        )


def _ends(store: RunStore, field: Field, points: Points, metric: str) -> None:
    """Say whether the ends of the picture are the checkpoints: measured once as points, once by plainly loading the file."""
    known = store.field(field.id)
    alone = known.facts.get("alone") if known else None
    if known is None or not isinstance(alone, list):
        return
    scale, t = units.scale(metric), points.coords[:, 0]
    mean = metrics.means(points, field.metrics, metric)
    for end, name, read in zip((0.0, 1.0), line_words.names(field), alone, strict=True):
        here = mean[t == end]
        assert isinstance(read, list)
        if not len(here):
            continue
        direct = line_metrics.alone([float(str(x)) for x in read], field.metrics, metric)
        same = abs(here[0] - direct) <= 1e-6 * max(1.0, abs(direct))
        sign, icon = ("equals", ":material/check: ") if same else ("DIFFERS from", ":material/warning: ")
        st.caption(f"{icon}t = {end:g} {sign} **{plain(name)}** loaded by itself: {scale * here[0]:.6g} and {scale * direct:.6g}.")
    recalibrated = known.facts.get("recalibrated")
    if isinstance(recalibrated, list) and field.buffers == "recalibrate":
        values = ", ".join(
            f"{scale * line_metrics.alone([float(str(x)) for x in row], field.metrics, metric):.4g}" for row in recalibrated if isinstance(row, list)
        )
        st.caption(f"The ends keep their own batch-norm statistics; recalibrated as the points between them are, they would have {values}.")


def _actions(store: RunStore, run: Run, metric: str, log: bool, others: list[Status]) -> None:
    """What one can do with the picture."""
    points, _ = store.points(run.field.id)
    if not len(points):
        return
    again = precision.again(store, run.field, points)
    a, b = line_words.names(run.field)

    def compare() -> None:
        st.caption("**Compare with other lines**, above, draws other measured lines into this picture. Other paths between these two models:")
        ends = dict(zip("ab", map(key_of, run.field.corners), strict=True))
        shell.link("align", "With their units aligned", icon=":material/join_inner:", **ends)
        shell.link("paths", "A curve between them", icon=":material/route:", **ends)

    actions(
        key=f"curve-{run.id}",
        stem=f"{a}-to-{b}-{metric}",
        explain=line_words.explain(run.field, points, metric, again, sampler=run.sampler),
        compare=compare,
        table=lambda: data.frame(line.table(run.field, points, again), run.field),
        figure=lambda: line.figure_of(run.field, points, metric, log=log, again=again, beside=_ghosts(store, others, metric)),
        code=program(run),
        link=query_state.link("interpolate", run=run.id),
    )


def program(run: Run) -> str:
    """Python that measures the line again."""
    a, b = map(python_source.model, run.field.corners)
    return python_source.program(
        f"line = interpolate(\n    {a},\n    {b},\n    problem={python_source.problem(run.field.problem)},\n    split={run.field.measured_on!r},\n"
        f"    samples={run.field.samples},\n    buffers={run.field.buffers!r},\n{python_source.precision(run.field)}    sampler={run.sampler.name!r},\n"
        f"    options={run.sampler.kwargs()!r},\n)\n"
        'print(line.barrier("loss"))\nline.figure().show()'
    )


def _asked_t() -> float | None:
    try:
        t = float(query_state.get("t") or "")
    except ValueError:
        return None
    return t if 0 <= t <= 1 else None  # a typed link may say anything, nan included


def rounded_t(x: float) -> float:
    """A picked place, fine enough for the eye and short enough for a link."""
    return round(x, 3)


def _others(store: RunStore, run: Run) -> dict[str, Status]:
    """Runs that may stand in the same picture: lines on the same problem and split, of other fields."""
    fields: dict[str, Status] = {}
    for status in store.statuses("Run"):
        request = status.request
        if (
            isinstance(request, Run)
            and request.field.chart.name == "line"
            and request.sampler.name != "given"
            and request.field.problem.id == run.field.problem.id
            and request.field.split == run.field.split
            and request.field.metrics == run.field.metrics
            and request.field.id != run.field.id
        ):
            fields.setdefault(request.field.id, status)
    return {s.id: s for s in fields.values()}


def _name(status: Status) -> str:
    assert isinstance(status.request, Run)
    a, b = line_words.names(status.request.field)
    extra = "" if status.request.field.buffers == "recalibrate" else f", buffers: {status.request.field.buffers}"
    return f"{a} → {b}{extra}{mark(status.request.field)}"
