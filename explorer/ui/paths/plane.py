"""The plane that a trained path lies in, beside its curve: where the ends and bends stand, and what the path goes round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import streamlit as st

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.points import Array
from explorer.core.spec import Field, Run
from explorer.figures import line
from explorer.figures.curve import PALETTE
from explorer.figures.plane import Marker, Trace, cells
from explorer.stats import arc_length, metrics
from explorer.stats.arc_length import ChartFunction
from explorer.stats.plane_frame import Frame, Window, around, closest
from explorer.stats.preview_confirmation import mark
from explorer.store.run_store import RunStore
from explorer.ui.charts.plane import Spot, plane
from explorer.ui.charts.plane_corner import plane_corner
from explorer.ui.frame import failure, head, shell
from explorer.ui.paths.form import NamedPath

COARSE, FINE = 17, 33  # points along each side; every coarse one is a fine one too
MARGIN = 0.25


def run_of(way: NamedPath, *, size: int = COARSE) -> Run | None:
    """The request for the plane of a way with corners between its ends; None for a straight line."""
    if len(way.run.field.corners) < 3:
        return None
    field = replace(way.run.field, chart=registry.method("chart", "plane", {"margin": MARGIN}))
    return Run(field, registry.method("sample", "grid", {"size": size}))


def runs(way: NamedPath) -> list[Run]:
    """The coarse request and the fine one."""
    return [run for size in (COARSE, FINE) if (run := run_of(way, size=size)) is not None]


def draw(
    store: RunStore,
    ways: list[NamedPath],
    chosen: NamedPath,
    metric: str,
    *,
    group: str,
    axis: Callable[[Field, Array], Array],
    pick: tuple[float, float] | None,
    on_pick: Callable[[Spot, Window], None],
) -> None:
    """The plane as far as it is measured, with every way that lies in it. axis: t of a path → its place on the common axis of the linked pictures."""
    coarse = run_of(chosen)
    if coarse is None:
        st.caption("A straight line lies in many planes. Choose a path with a bend to see its plane.")
        return
    status = store.status(coarse.id)
    if status is not None and status.state == "failed":
        failure.show(status)
        return
    field = coarse.field
    known = store.field(field.id)
    if known is None:
        path = store.status(chosen.run.id)
        if path is not None and path.state == "done":
            st.caption("The path is trained; its plane is still to be measured.")
        elif path is None or path.state != "failed":  # which is said above
            st.caption("The plane appears once the path is trained.")
        return
    try:
        there = around(closest(known.gram), MARGIN)
    except Refused as refusal:
        st.info(plain(str(refusal)), icon=":material/info:")
        return
    points, _ = store.points(field.id)
    fine = store.status(runs(chosen)[1].id)
    size = FINE if fine is not None else COARSE
    grid = cells(points, field.metrics, metric, there, size)
    markers = [
        Marker(corner.name or corner.id, float(x), float(y), float(out))
        for corner, (x, y), out in zip(field.corners, there.frame.corners, there.frame.outside, strict=True)
    ]
    traces = [
        trace
        for i, way in enumerate(ways)
        if (trace := _trace(store, way, chosen.run.field, there.frame, PALETTE[i % len(PALETTE)], axis)) is not None
    ]
    key, title = f"plane-{coarse.id}-{size}", f"{metrics.find(metric).called} in the plane of {chosen.name}"
    outside = max(there.frame.outside) if len(field.corners) > 3 else 0.0
    far = f" · the corners lie up to {outside:.3g} outside of this plane" if outside > 1e-6 * np.ptp(there.frame.corners) else ""
    caption = f"{grid.measured} of {size * size} cells measured · distances in weight space are to scale{mark(field)}{far}"
    with head.picture("map"):
        plane(
            grid,
            markers,
            traces,
            key=key,
            z_title=line.y_title(field, metric),
            alt=f"{title}.",
            pick=tuple(there.places(np.array(pick)).tolist()) if pick else None,
            on_pick=lambda spot: on_pick(spot, there),
            log=metric == "loss",  # far from the models it is hundreds of times as high as near them
            group=group,
            height=head.HEIGHT,
            caption=caption,
        )
        plane_corner(coarse, grid, markers, traces, key=key, metric=metric, title=title, footnote=caption)
        if fine is None and grid.measured == COARSE * COARSE:
            st.button(
                "Finer",
                icon=":material/grid_4x4:",
                on_click=_refine,
                args=(chosen,),
                key="plane-finer",
                help=f"{FINE} × {FINE} points; those already measured are kept.",
            )


def coords_of(there: Window, spot: Spot) -> tuple[float, float]:
    """The chart's coordinates of a picked place, to three decimals."""
    u, v = there.coords(np.array([spot.x, spot.y]))
    return round(float(u), 3), round(float(v), 3)


def _refine(way: NamedPath) -> None:
    shell.submit(runs(way)[1])


def _trace(store: RunStore, way: NamedPath, shown: Field, there: Frame, colour: str, axis: Callable[[Field, Array], Array]) -> Trace | None:
    """A way as it lies in the plane of the shown one; None for one with other corners."""
    corners, of = [c.id for c in way.run.field.corners], [c.id for c in shown.corners]
    if not set(corners) <= set(of):
        return None
    place = cast("ChartFunction", registry.find("chart", way.run.field.chart.name))
    known = store.field(way.run.field.id)
    t = np.linspace(0.0, 1.0, arc_length.STEPS // 2 + 1)
    rows = place(t[:, None], known.gram if known is not None else np.eye(len(corners)))
    at = there.places(rows @ np.eye(len(of))[[of.index(c) for c in corners]])
    return Trace(way.name, colour, axis(way.run.field, t), at[:, 0], at[:, 1])
