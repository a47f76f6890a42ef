"""The mixtures of a plane's three models in equal steps: what the picture's triangle shows of them, their words, and what can be taken away."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core import significant_digits
from explorer.core.points import Array, Points, missing
from explorer.core.spec import Run
from explorer.figures import line, simplex
from explorer.figures.told import Mixtures
from explorer.stats import metrics
from explorer.store.run_store import RunStore
from explorer.ui.charts.triangle import lattice, says
from explorer.ui.frame import auto_start, query_state, shell
from explorer.ui.landscape import form
from explorer.ui.landscape.picture import Style
from explorer.ui.widgets import python_source
from explorer.ui.widgets.chart_actions import actions

STEPS = (8, 16)  # 45 mixtures, and 153 with these among them


def begin(store: RunStore, plane: Run) -> None:
    """Request for the coarse ones, where that is quick."""
    coarse = form.triangle(plane, STEPS[0])
    if store.status(coarse.id) is None and auto_start.quick(store, plane.field, len(lattice(STEPS[0]))):
        shell.submit(coarse)


def run_of(store: RunStore, plane: Run) -> Run:
    """The finest request of them that was made."""
    coarse, fine = (form.triangle(plane, steps) for steps in STEPS)
    return coarse if store.status(fine.id) is None else fine


def active(store: RunStore, plane: Run) -> bool:
    """Whether some are being measured."""
    status = store.status(run_of(store, plane).id)
    return status is not None and status.active


def measured(store: RunStore, run: Run) -> Points | None:
    """The mixtures of the finest lattice that is measured throughout, in its order."""
    points, _ = store.points(run.field.id)
    for steps in reversed(STEPS):
        wanted = lattice(steps)[:, 1:]
        if len(points) and not len(missing(wanted, points.coords)):
            rows = [int(np.abs(points.coords - place).max(axis=1).argmin()) for place in wanted]
            return Points(points.coords[rows], points.values[rows], points.counts)
    return None


def told(store: RunStore, plane: Run, style: Style) -> Mixtures:
    """For the picture; none of them while too few are measured."""
    run = run_of(store, plane)
    points = measured(store, run)
    if points is None:
        return Mixtures(_names(run), np.empty((0, 3)), np.empty(0))
    return Mixtures(_names(run), _shares(points), _values(run, points, style))


def caption(store: RunStore, plane: Run) -> str:
    """What must be known to read it."""
    run = run_of(store, plane)
    points = measured(store, run)
    samples = 0 if points is None else int(points.counts.sum())
    return f"Every mark is a measured mixture, all sides are equal · {samples:,} {run.field.measured_on} samples" if samples else ""


def beside(store: RunStore, plane: Run, style: Style) -> None:
    """Their words, and a way to more of them."""
    run = run_of(store, plane)
    points = measured(store, run)
    if points is None:
        if active(store, plane):
            st.caption("Measuring mixtures of the three models in equal steps…")
        else:
            st.button("Measure 45 mixtures", icon=":material/play_arrow:", on_click=shell.resume, args=(run,), key="triangle-begin")
        return
    st.markdown(_words(run, points, style))
    finer = form.triangle(plane, STEPS[1])
    if len(points) < len(lattice(STEPS[1])) and not active(store, plane):
        st.button("Finer (153 mixtures)", icon=":material/grid_4x4:", on_click=shell.resume, args=(finer,), key="triangle-finer")


def export(store: RunStore, plane: Run, style: Style) -> bool:
    """The row under the picture; whether there is anything to take away."""
    run = run_of(store, plane)
    points = measured(store, run)
    if points is None:
        return False

    def table() -> pd.DataFrame:
        columns = dict(zip(_names(run), _shares(points).T, strict=True))
        return pd.DataFrame({**columns, **{m: metrics.means(points, run.field.metrics, m) for m in metrics.given(run.field)}})

    actions(
        key=f"landscape-{plane.id}",
        stem="triangle",
        explain=_words(run, points, style),
        compare=lambda: shell.link("soup", "Soups of more models, and what each contributes", icon=":material/soup_kitchen:"),
        table=table,
        figure=lambda: _figure(run, points, style),
        code=python_source.program(python_source.runs({"triangle": run}) + "print(measured['triangle'].means())"),
        link=query_state.link("landscape"),
    )
    return True


def _names(run: Run) -> tuple[str, ...]:
    return tuple(c.name or c.id for c in run.field.corners)


def _shares(points: Points) -> Array:
    return np.column_stack([1 - points.coords.sum(axis=1), points.coords])


def _values(run: Run, points: Points, style: Style) -> Array:
    """As they are shown; NaN where there is no colour for them."""
    found = style.scale * metrics.means(points, run.field.metrics, style.metric)
    return np.where(np.isfinite(found) & ((found > 0) | (not style.log)), found, np.nan)


def _figure(run: Run, points: Points, style: Style) -> go.Figure:
    return simplex.figure(
        _shares(points),
        _values(run, points, style),
        None,
        _names(run),
        value_title=line.y_title(run.field, style.metric),
        title=f"Mixtures of {', '.join(_names(run))}",
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
