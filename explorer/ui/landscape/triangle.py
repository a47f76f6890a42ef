"""The mixtures of a plane's three models on the triangle between them; the one that is clicked is inspected like a place of the plane."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core import significant_digits
from explorer.core.points import Array, Points, missing
from explorer.core.spec import Run
from explorer.figures import line, simplex
from explorer.stats import metrics
from explorer.store.run_store import RunStore
from explorer.ui.charts.triangle import clicked, lattice, says, scale
from explorer.ui.frame import auto_start, query_state, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import progress
from explorer.ui.landscape import form
from explorer.ui.landscape.picture import Picture, Style
from explorer.ui.widgets import python_source
from explorer.ui.widgets.chart_actions import actions
from explorer.ui.widgets.model_inspector import At, inspect, inspect_once, model_at, pick_active

STEPS = (8, 16)  # 45 mixtures, and 153 with these among them
POLL_S = 0.5


def show(store: RunStore, plane: Run, style: Style) -> None:
    """The triangle, its words and what can be taken away; measured by itself where that is quick."""
    coarse, fine = (form.triangle(plane, steps) for steps in STEPS)
    if store.status(coarse.id) is None and auto_start.quick(store, plane.field, len(lattice(STEPS[0]))):
        shell.submit(coarse)
    run = coarse if store.status(fine.id) is None else fine
    at = _asked()
    if at is not None:
        inspect_once(store, run.field, at)
    busy = _active(store, run) or pick_active(store, run.field, at)
    to_scale = scale()
    live(_live, every=POLL_S, busy=busy)(store, run, style, to_scale, busy)
    points = _measured(store, run)
    if points is not None:
        _export(store, run, points, style, to_scale)


def _asked() -> At | None:
    """The picked mixture of the address: what the second and the third model have of it."""
    try:
        second, third = (float(part) for part in (query_state.get("mix") or "").split(","))
    except ValueError:
        return None
    return (second, third) if np.isfinite([second, third]).all() else None


def _active(store: RunStore, run: Run) -> bool:
    status = store.status(run.id)
    return status is not None and status.active


def _names(run: Run) -> list[str]:
    return [c.name or c.id for c in run.field.corners]


def _shares(points: Points) -> Array:
    return np.column_stack([1 - points.coords.sum(axis=1), points.coords])


def _measured(store: RunStore, run: Run) -> Points | None:
    """The mixtures of the finest lattice that is measured throughout, in its order."""
    points, _ = store.points(run.field.id)
    for steps in reversed(STEPS):
        wanted = lattice(steps)[:, 1:]
        if len(points) and not len(missing(wanted, points.coords)):
            rows = [int(np.abs(points.coords - place).max(axis=1).argmin()) for place in wanted]
            return Points(points.coords[rows], points.values[rows], points.counts)
    return None


def _live(store: RunStore, run: Run, style: Style, to_scale: bool, was_busy: bool) -> None:
    progress(store, [Picture(run, 0)], key="triangle")
    points, at = _measured(store, run), _asked()
    if points is not None:
        left, right = st.columns([3, 2], gap="large")
        figure = _figure(store, run, points, style, to_scale)
        with left:
            drawn = _shares(points)[np.isfinite(_values(run, points, style))]
            mark = clicked(figure, drawn, key=_key(run, points, style) + ("-scale" if to_scale else ""), alt=_words(run, points, style))
            st.caption(
                f"Every mark is a measured mixture{', drawn to scale' if to_scale else ''}. {int(points.counts.sum()):,} {run.field.measured_on} samples."
            )
            finer = form.triangle(run, STEPS[1])
            if len(points) < len(lattice(STEPS[1])) and not _active(store, finer):
                st.button("Finer (153 mixtures)", icon=":material/grid_4x4:", on_click=shell.resume, args=(finer,), key="triangle-finer")
        with right:
            st.markdown(_words(run, points, style))
        if mark is not None:
            query_state.put(mix=f"{mark[1]:g},{mark[2]:g}")
            inspect(store, run.field, mark[1:])
            st.rerun()
    if at is not None:
        everything, _ = store.points(run.field.id)
        model_at(store, run.field, at, everything)
    if was_busy != (_active(store, run) or pick_active(store, run.field, at)):
        st.rerun()
    if was_busy:
        shell.tend()


def _values(run: Run, points: Points, style: Style) -> Array:
    """As they are shown; NaN where there is no colour for them."""
    found = style.scale * metrics.means(points, run.field.metrics, style.metric)
    return np.where(np.isfinite(found) & ((found > 0) | (not style.log)), found, np.nan)


def _key(run: Run, points: Points, style: Style) -> str:
    return f"landscape-triangle-{run.field.id}-{len(points)}-{style.metric}-{style.log}"


def _figure(store: RunStore, run: Run, points: Points, style: Style, to_scale: bool) -> go.Figure:
    known, at = store.field(run.field.id), _asked()
    assert known is not None
    return simplex.figure(
        _shares(points),
        _values(run, points, style),
        known.gram if to_scale else None,
        _names(run),
        value_title=line.y_title(run.field, style.metric),
        title=f"Mixtures of {', '.join(_names(run))}",
        picked=None if at is None else (1 - sum(at), *at),
        log=style.log,
    )


def _words(run: Run, points: Points, style: Style) -> str:
    values = _values(run, points, style)
    low, high = style.interval(run.field, points)
    return says(
        _shares(points),
        values,
        _names(run),
        lambda k: significant_digits.within(float(values[k]), float(low[k]), float(high[k]), unit=style.unit),
        what=line.y_title(run.field, style.metric),
        highest=metrics.find(style.metric).good == "high",
    )


def _export(store: RunStore, run: Run, points: Points, style: Style, to_scale: bool) -> None:
    def table() -> pd.DataFrame:
        columns = dict(zip(_names(run), _shares(points).T, strict=True))
        return pd.DataFrame({**columns, **{m: metrics.means(points, run.field.metrics, m) for m in metrics.given(run.field)}})

    actions(
        key=_key(run, points, style),
        stem="triangle",
        explain=_words(run, points, style),
        compare=lambda: shell.link("soup", "Soups of more models, and what each contributes", icon=":material/soup_kitchen:"),
        table=table,
        figure=lambda: _figure(store, run, points, style, to_scale),
        code=python_source.program(python_source.runs({"triangle": run}) + "print(measured['triangle'].means())"),
        link=query_state.link("landscape"),
    )
