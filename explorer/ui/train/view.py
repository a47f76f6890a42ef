"""A training and the averages along it, live: the loss over the epochs, the way through a plane, words, and what can be kept."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core import glossary, locations, registry
from explorer.core.points import Array, Points
from explorer.core.spec import Field, Json, Loaded, Make, Trained
from explorer.figures import line
from explorer.figures.answers import chosen
from explorer.stats import line_metrics, metrics, units
from explorer.stats.barriers import difference, level
from explorer.store.job_status import duration
from explorer.store.run_store import RunStore
from explorer.ui.charts.answers import Along, of_mixtures
from explorer.ui.charts.curve import Curve, curve
from explorer.ui.frame import auto_start, failure, head, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import active, progress
from explorer.ui.landscape.form import COARSE
from explorer.ui.train import phases, plane, swag_twa
from explorer.ui.train.export import export, keep, links
from explorer.ui.train.plane import asked
from explorer.ui.train.trajectories import Average, Task, Trajectory, averages_of, called, values_at
from explorer.ui.widgets import path_metric
from explorer.ui.widgets.model_inspector import model_at, pick_active

POLL_S = 0.5
LESS = "minus the last's"
STAGES = 8  # pictures of a training that is not finished


def show(store: RunStore, whole: Trajectory) -> None:
    """All below the form."""
    with head.controls():
        metric = path_metric.choose(whole.field("val"), first="loss", exponentials=True)
    whole = whole.measured_for(metric)
    for task in whole.tasks():
        if store.status(task.run.id) is None:
            shell.submit(task.run)
    busy = _busy(store, whole)
    live(_live, every=POLL_S, busy=busy)(store, whole, metric, busy)
    val, test = (store.points(whole.field(split).id)[0] for split in ("val", "test"))
    if len(val) and (drawn := _drawn_curves(whole, val, metric)):
        words = _words(whole, averages_of(whole, val), val, test, metric) or "The averages are not measured on the test split yet."
        export(store, whole, drawn, metric, key=_key(whole, metric), x_title=_x_title(whole), words=words)
    with st.expander("What these averages are", icon=":material/menu_book:"):
        first = whole.models[0]
        known = [("train", first.method.name)] if isinstance(first, Trained) else []
        averages = (("fuse", called(way)) if whole.fused(way) is not None else ("sample", way.name) for way in whole.ways)
        for kind, name in (*known, *averages):
            st.markdown(f"**{registry.title(kind, name)}**")
            st.text(registry.reference(kind, name))


def _busy(store: RunStore, whole: Trajectory) -> bool:
    if (at := asked()) is not None and pick_active(store, whole.plane().field, at):
        return True
    requests = [
        whole.plane().id,
        *(Make(made).id for way in whole.ways if (made := whole.fused(way)) is not None),
        *swag_twa.request_ids(whole),
        *phases.request_ids(whole),
    ]
    if (answers := _answers(store, whole)) is not None and answers.active:
        return True
    if (report := _report(store, whole)) is not None:
        requests.append(report.run.id)
    return active(store, whole.tasks()) or any(s is not None and s.active for s in map(store.status, requests))


def _report(store: RunStore, whole: Trajectory) -> Task | None:
    points, _ = store.points(whole.field("val").id)
    return whole.report(points) if len(points) else None


def _live(store: RunStore, whole: Trajectory, metric: str, was_busy: bool) -> None:
    busy = _busy(store, whole)
    if was_busy != busy:
        st.rerun()
    measuring = active(store, whole.tasks())
    there = whole if store.field(whole.field("val").id) is not None else _stage(store, whole)
    left, right = st.columns([7, 3], gap="medium")
    answers = _answers(store, whole) if there is whole else None
    told = None if answers is None else answers.told()
    with left, head.picture(answers=told is not None):
        if there is not None:
            _curves(store, there, whole, metric, told)
        elif measuring:
            st.caption("Waiting for the first snapshots…")
    progress(store, whole.tasks(), key="train")
    if not measuring and all((s := store.status(t.run.id)) is not None and s.state == "done" for t in whole.tasks()):
        _finished(store, whole, metric, right)
    elif there is not None and there is not whole:
        plane.draw(store, there, metric, live=True)
    if busy != _busy(store, whole):  # more was asked for
        st.rerun()
    if busy:
        shell.tend()


def _stage(store: RunStore, whole: Trajectory) -> Trajectory | None:
    """The longest part of a training in progress that is measured; the next one is asked for as soon as its snapshots are there."""
    times = len(whole.epochs)
    home, ready = locations.home(), 0
    while ready < times and all(
        isinstance(m, Trained) and locations.made_at(m, home).is_file() for m in whole.models[ready * whole.members : (ready + 1) * whole.members]
    ):
        ready += 1
    sizes = [k for k in range(2, times) if k <= ready and (k == 2 or k % max(1, times // STAGES) == 0)]
    if not sizes:
        return None
    if active(store, whole.tasks()):
        for task in whole.begun(sizes[-1]).tasks():
            if store.status(task.run.id) is None:
                shell.submit(task.run, urgent=True)
    return next((t for k in reversed(sizes) if store.field((t := whole.begun(k)).field("val").id) is not None), None)


def _drawn_curves(there: Trajectory, points: Points, metric: str) -> list[Curve]:
    """The snapshots and their averages over the training, as far as they are measured."""
    field = there.field("val")
    drawn: list[Curve] = []
    for member in range(there.members):
        rows = np.eye(len(there.models))[member :: there.members]
        x, own = _known(points, rows, there.epochs)
        if own is not None:
            drawn.append(
                _curve("snapshots" if there.members == 1 else f"network {member + 1}", x, own, field, metric, ghost=member > 0, banded=member == 0)
            )
    for average in averages_of(there, points):
        x, own = _known(points, average.rows, there.epochs)
        if own is not None:
            drawn.append(_curve(average.name, x, own, field, metric))
    return drawn


def _curves(store: RunStore, there: Trajectory, whole: Trajectory, metric: str, answers: dict[str, Json] | None) -> None:
    field = there.field("val")
    points, _ = store.points(field.id)
    if not (drawn := _drawn_curves(there, points, metric)):
        return
    last = float(whole.epochs[-1])
    part = "" if there is whole else f" · the first {len(there.epochs)} of {len(whole.epochs)} snapshots"
    curve(
        drawn,
        key=_key(whole, metric),
        x_title=_x_title(whole),
        y_title=line.y_title(field, metric),
        x_range=(min(float(whole.epochs[0]), 1.0), last),
        pick=None,
        height=head.HEIGHT,
        log=metric in plane.LOGARITHMIC,
        alt=f"Validation {metrics.find(metric).called} of the snapshots and of their averages over the training.",
        group=plane.group(whole),
        play=True,
        answers=answers,
        caption=f"The averages after each snapshot · {int(points.counts.sum()):,} validation samples, band 95 %{part}",
    )


def _answers(store: RunStore, whole: Trajectory, *, ask: bool = False) -> Along | None:
    """What the snapshots of the first network answer."""
    x, rows = whole.epochs, np.eye(len(whole.models))[:: whole.members]
    shown = np.isin(x, chosen(x))
    title = "What the snapshots answer" if whole.members == 1 else "What the snapshots of network 1 answer"
    return of_mixtures(store, whole.field("val"), rows[shown], x[shown], title, ask=ask)


def _key(whole: Trajectory, metric: str) -> str:
    return f"train-curve-{whole.tasks()[0].run.id}-{metric}"


def _x_title(whole: Trajectory) -> str:
    first = whole.models[0]
    if isinstance(first, Loaded) and first.name.startswith("step"):
        return "step"
    return "snapshot" if isinstance(first, Trained) and registry.snapshots_of(first.method) != first.method["epochs"] else "epoch"


def _known(points: Points, rows: Array, x: Array) -> tuple[Array, Points | None]:
    """Those of the rows that are measured already."""
    found = [(e, p) for e, row in zip(x, rows, strict=False) if (p := values_at(points, row[None])) is not None] if len(points) else []
    if not found:
        return x[:0], None
    parts = [p for _, p in found]
    joined = Points(np.concatenate([p.coords for p in parts]), np.concatenate([p.values for p in parts]), parts[0].counts)
    return np.array([e for e, _ in found]), joined


def _curve(name: str, x: Array, own: Points, field: Field, metric: str, *, ghost: bool = False, banded: bool = False) -> Curve:
    scale = units.scale(metric)
    low, high = metrics.interval(own, field.metrics, metric) if banded else (None, None)
    return Curve(
        name,
        x,
        scale * metrics.means(own, field.metrics, metric),
        None if low is None else scale * low,
        None if high is None else scale * high,
        ghost=ghost,
    )


def _finished(store: RunStore, whole: Trajectory, metric: str, beside: DeltaGenerator) -> None:
    report = _report(store, whole)
    if report is None:
        st.warning("No snapshot has a finite loss, so there is no valley for SWAD.", icon=":material/warning:")
        return
    if store.status(report.run.id) is None:
        shell.submit(report.run)
    besides = [("The report on the test split", report.run), ("The plane", whole.plane())]
    failure.several((name, status) for name, run in besides if (status := store.status(run.id)) is not None)
    val, _ = store.points(whole.field("val").id)
    test, _ = store.points(report.run.field.id)
    found = averages_of(whole, val)
    with beside:
        if (words := _words(whole, found, val, test, metric)) is not None:
            st.markdown(words)
        else:
            st.caption("Measuring on the test split…")
        links(store, whole)
    _table(whole, found, val, test, metric)
    _ask_plane(store, whole)
    if (answers := _answers(store, whole, ask=True)) is not None:
        answers.button()
    plane.draw(store, whole, metric, live=False)
    if (at := asked()) is not None and store.field(whole.plane().field.id) is not None:
        model_at(store, whole.plane().field, at, store.points(whole.plane().field.id)[0])
    keep(store, whole)
    swag_twa.show(store, whole)
    phases.show(store, whole, _x_title(whole))
    with st.expander("Every snapshot: its own loss, and its distance from the plane", icon=":material/timeline:"):
        plane.snapshots(store, whole, val, metric)


def _ask_plane(store: RunStore, whole: Trajectory) -> None:
    """The plane comes by itself where that is quick; each of its points is a mixture of all snapshots, as those of the averages are."""
    if len(whole.models) < 3 or store.status(whole.plane().id) is not None:
        return
    needed = auto_start.seconds(store, whole.field("val"), COARSE**2)
    if needed is not None and needed < auto_start.PATIENCE_S:
        shell.submit(whole.plane())
    elif needed is not None:
        help = f"About {duration(needed)} of computing."
        st.button("Measure this plane", icon=":material/grid_4x4:", on_click=shell.resume, args=(whole.plane(),), key="train-plane-go", help=help)


def _last(whole: Trajectory) -> Array:
    return np.eye(len(whole.models))[-whole.members][None]


def _words(whole: Trajectory, found: list[Average], val: Points, test: Points, metric: str) -> str | None:
    """Two or three sentences: who is best on the validation split, what that is worth on the test split, and where the averages lie. By the loss where the
    metric says nothing of better or worse, or follows from the loss."""
    by = metrics.find(metric if _judges(metric) else "loss")
    measured, scale = whole.metrics, units.scale(by.name)
    last = values_at(test, _last(whole)) if len(test) else None
    rows = {a.name: a.rows[-1:] for a in found}
    mine = {name: (values_at(val, row), values_at(test, row)) for name, row in rows.items()}
    if last is None or any(v is None or t is None for v, t in mine.values()):
        return None
    known = {name: (cast("Points", v), cast("Points", t)) for name, (v, t) in mine.items()}
    cost = {name: c for name, (v, _) in known.items() if np.isfinite(c := _cost(v, measured, by.name))}
    if not cost:
        return f"None of the averages has a finite validation {by.called}."
    best = min(cost, key=lambda name: cost[name])
    gap = difference(metrics.column(known[best][1], measured, by.name), metrics.column(last, measured, by.name))
    iterate = "the last snapshot" if whole.members == 1 else "the first network's last snapshot"
    verdict = "lower than" if gap.high < 0 else "higher than" if gap.low > 0 else "indistinguishable from"
    singles = [values_at(val, row[None]) for row in np.eye(len(whole.models))]
    costs = [_cost(p, measured, by.name) for p in singles if p is not None]
    beaten = sum(c > cost[best] for c in costs)
    of = f"all {beaten}" if beaten == len(costs) else f"{beaten} of the {len(costs)}"
    value = f"{scale * metrics.means(known[best][0], measured, by.name)[0]:.3g}{units.after(units.of_level(whole.problem, by.name))}"
    return (
        f"On the validation split **{best}** is the best of these averages: its {by.called} is {value}, and {of} snapshots are worse."
        f" On the test split its {by.called} is **{verdict}** that of {iterate}: the difference is"
        f" {gap.formatted(scale=scale, unit=units.of_gap(whole.problem, by.name), signed=True)}, paired sample by sample. "
        + _where(whole, rows[best][0], best)
    )


def _judges(metric: str) -> bool:
    return metrics.find(metric).good != "" and not metrics.find(metric).exponential


def _cost(point: Points, measured: tuple[str, ...], metric: str) -> float:
    """A metric of one model, the lower the better."""
    return float(line_metrics.worse_upward(point, measured, metric).means()[0, 0])


def _where(whole: Trajectory, row: Array, name: str) -> str:
    used = int(np.count_nonzero(row))
    return f"{name} mixes {used} of {len(row)} models here, the largest weight {row.max():.2g}; it is one network, as fast as each of them."


def _table(whole: Trajectory, found: list[Average], val: Points, test: Points, metric: str) -> None:
    """A row for the last snapshot and for each average: the chosen metric; loss and error where it is one of them, or follows from the loss."""
    last = values_at(test, _last(whole)) if len(test) else None
    rows: list[dict[str, object]] = []
    alone = "last snapshot" if whole.members == 1 else "network 1, last snapshot"
    own = () if metric in metrics.PLAIN or metrics.find(metric).exponential else (metric,)
    shown = own or (metrics.PLAIN if registry.classifies(whole.problem.loss) else ("loss",))
    for name, row in ((alone, _last(whole)), *((a.name, a.rows[-1:]) for a in found)):
        v, t = values_at(val, row), values_at(test, row) if len(test) else None
        if v is None or t is None or last is None:
            continue
        said: dict[str, object] = {"model": name}
        for by in shown:
            one, two, first = (metrics.column(p, whole.metrics, by) for p in (v, t, last))
            called, scale = metrics.find(by).called, units.scale(by)
            unit, apart = units.of_level(whole.problem, by), units.of_gap(whole.problem, by)
            if by != "error":
                said[f"{units.titled(f'val {called}', unit)}, 95 %"] = level(one).formatted(scale=scale)
            said[f"{units.titled(f'test {called}', unit)}, 95 %"] = level(two).formatted(scale=scale)
            said[f"{units.titled(LESS, apart)}, 95 %"] = "" if name == alone else difference(two, first).formatted(scale=scale, signed=True)
        rows.append(said)
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
        st.caption(
            glossary.linked(
                "Chosen on the validation [[split]], reported on the test split; differences are paired sample by sample, [[batch-norm|batch"
                " norm]] statistics re-estimated."
            )
        )
