"""The plane that lies closest to a training's snapshots: the way through it, its averages, and how far everything lies beside it."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.points import Array, Points
from explorer.core.spec import Run
from explorer.figures import landscape, line
from explorer.figures.curve import PALETTE
from explorer.figures.plane import Marker, Trace, cells
from explorer.stats import line_words, metrics, units
from explorer.stats.plane_frame import Window
from explorer.store.run_store import RunStore
from explorer.ui.charts.plane import Spot, plane
from explorer.ui.charts.plane_corner import plane_corner
from explorer.ui.frame import query_state
from explorer.ui.landscape.form import COARSE
from explorer.ui.train.trajectories import Trajectory, averages_of, values_at
from explorer.ui.widgets.model_inspector import inspect

LOGARITHMIC = ("loss", "perplexity")  # far from the snapshots they are many times as high
NEAR = 0.05  # of the plane's width: the names of models that are nearer would cover one another


def asked() -> tuple[float, float] | None:
    """The picked place of the plane, from the address."""
    try:
        u, v = (float(part) for part in (query_state.get("at") or "").split(","))
    except ValueError:
        return None
    return (u, v) if np.isfinite([u, v]).all() else None


def group(whole: Trajectory) -> str:
    """What the curve over the training and the way through the plane belong to: who walks along one walks along the other."""
    return f"train-{whole.models[0].id}"


def draw(store: RunStore, there: Trajectory, metric: str, *, live: bool) -> None:
    """The way through the plane that is closest to the snapshots; while the training goes on, without colours."""
    run = there.plane()
    facts = store.field(there.field("val").id)
    if facts is None or len(there.models) < 3:
        return
    if (window := _window(run, facts.gram)) is None:
        st.caption("The snapshots lie on one line, so there is no plane to draw.")
        return
    points, _ = store.points(run.field.id)
    if live and not len(points):
        points = Points(np.empty((0, 2)), np.empty((0, len(run.field.metrics), len(facts.counts))), facts.counts)
    grid = cells(points, run.field.metrics, metric, window, COARSE)
    val, _ = store.points(there.field("val").id)
    markers, traces = _drawn(there, window, facts.gram, val)
    marks = together(markers, NEAR * float(window.sides[0]))

    def picked(spot: Spot) -> None:
        u, v = (round(float(c), 4) for c in window.coords(np.array([spot.x, spot.y])))
        query_state.put(at=f"{u:g},{v:g}")
        inspect(store, run.field, (u, v))

    at = asked()
    x, y = window.places(np.array(at)) if at is not None else (0.0, 0.0)
    title = f"The snapshots and their averages in the plane closest to them, over the test {line_words.called(run.field, metric)}."
    caption = "All of them lie outside this plane; the table of snapshots says how far. " + "; ".join(
        f"{plain(m.name)} {m.outside:.3g} away" for m in markers if m.outside > 0
    )
    plane(
        grid,
        marks,
        traces,
        key=(key := f"train-plane-{run.id}"),
        z_title=line.y_title(run.field, metric),
        alt=title,
        unit="epoch",
        pick=(float(x), float(y)) if at is not None else None,
        on_pick=None if live else picked,
        log=metric in LOGARITHMIC,
        height=460,
        caption=caption,
        group=group(there),
    )
    if not live and len(points):
        plane_corner(run, grid, marks, traces, key=key, metric=metric, title=title, footnote=caption)


def together(markers: list[Marker], near: float) -> list[Marker]:
    """The markers, those that stand nearer to one another than `near` as one with all their names, so that none covers another."""
    found: list[Marker] = []
    for marker in markers:
        at = next((i for i, m in enumerate(found) if np.hypot(m.x - marker.x, m.y - marker.y) < near), None)
        if at is None:
            found.append(marker)
        else:
            found[at] = found[at]._replace(name=f"{found[at].name}, {marker.name}")
    return found


def _window(run: Run, gram: Array) -> Window | None:
    """What is seen of the plane; None where the snapshots lie on one line."""
    try:
        return cast("Window", registry.find("chart", "plane", function="window")(gram, **run.field.chart.kwargs()))
    except Refused:
        return None


def _drawn(there: Trajectory, window: Window, gram: Array, val: Points) -> tuple[list[Marker], list[Trace]]:
    frame, p = window.frame, there.members
    traces = [
        Trace("snapshots" if p == 1 else f"network {k + 1}", PALETTE[k % len(PALETTE)], there.epochs, *frame.corners[k::p].T)
        for k in range(min(p, len(PALETTE)))
    ]
    markers = [
        Marker(
            "last snapshot" if p == 1 else f"network {k + 1}",
            float(frame.corners[k - p, 0]),
            float(frame.corners[k - p, 1]),
            float(frame.outside[k - p]),
        )
        for k in range(p)
    ]
    for i, average in enumerate(averages_of(there, val)):
        if len(average.rows):
            x, y = frame.places(average.rows).T
            traces.append(Trace(average.name, PALETTE[(p + i) % len(PALETTE)], there.epochs, x, y))
            markers.append(
                Marker(average.name, float(x[-1]), float(y[-1]), float(outside(gram, average.rows[-1:], frame.places(average.rows[-1:]))[0]))
            )
    return markers, traces


def outside(gram: Array, rows: Array, at: Array) -> Array:
    """How far mixtures lie from a plane through the corners' mean, from their places in it: (K,)."""
    away = rows - 1 / len(gram)
    square = np.einsum("ki,ij,kj->k", away, gram, away) - (at**2).sum(axis=1)
    return np.sqrt(np.maximum(square, 0.0))


def snapshots(store: RunStore, whole: Trajectory, val: Points, metric: str) -> None:
    """A table of the snapshots and the averages: their own loss, that of their place in the plane, and how far beside it they lie."""
    run = whole.plane()
    facts, plane_points = store.field(whole.field("val").id), store.points(run.field.id)[0]
    if facts is None or len(whole.models) < 3 or not len(plane_points):
        st.caption("The plane is not measured yet.")
        return
    if (window := _window(run, facts.gram)) is None:
        return
    measured, scale, called = run.field.metrics, units.scale(metric), metrics.find(metric).called
    grid = cells(plane_points, measured, metric, window, COARSE)
    names = [m.name or m.id for m in whole.models]
    rows = np.eye(len(names))
    found = [a for a in averages_of(whole, val) if len(a.rows)]
    rows = np.concatenate([rows, *(a.rows[-1:] for a in found)])
    at = window.frame.places(rows)
    own = [float("nan") if (v := values_at(val, row[None])) is None else scale * float(metrics.means(v, measured, metric)[0]) for row in rows]
    st.dataframe(
        pd.DataFrame(
            {
                "model": names + [a.name for a in found],
                f"its own val {called}": own,
                f"test {called} at its position in the plane": landscape.height(grid, at[:, 0], at[:, 1]),
                "distance from the plane": outside(facts.gram, rows, at),
            }
        ),
        hide_index=True,
        column_config={"distance from the plane": st.column_config.NumberColumn(format="%.4g")},
    )
