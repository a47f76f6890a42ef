"""A volume of three dimensions on *Landscape*, live while it is measured: the surface of one value, a slice that is a plane, all slices, its minima, and the model at any place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import streamlit as st

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points, rounded
from explorer.core.spec import Run
from explorer.figures import line, slices
from explorer.figures import topology as topology_figure
from explorer.figures.plane import Surface, span
from explorer.stats import line_words, metrics, units
from explorer.stats.field_topology import FieldTopology, basins, of_points
from explorer.stats.plane_frame import Window
from explorer.stats.point_recipe import At
from explorer.store.run_store import RunStore
from explorer.ui.charts.plane import Spot, plane
from explorer.ui.charts.volume import volume
from explorer.ui.frame import head, query_state, shell
from explorer.ui.frame.polling import live, turned
from explorer.ui.frame.run_set import active, progress, submit
from explorer.ui.landscape import form, minima
from explorer.ui.landscape.picture import once
from explorer.ui.widgets import model_doubts
from explorer.ui.widgets.chart_actions import chart, corner
from explorer.ui.widgets.model_inspector import inspect, inspect_once, measured_at, model_at, pick_active

POLL_S = 0.5
METRICS = ("loss", "error")
GROUP = "topology"  # of the surface and the pictures of its minima


@dataclass(frozen=True)
class _Shown:
    """values: (n₁, n₂, n₃) as they are shown, NaN where nothing is known; lost: whether one was measured and is no finite number. axes: distances along each."""

    values: Array
    lost: Array
    axes: list[Array]
    window: Window
    samples: int

    @property
    def measured(self) -> int:
        return int((np.isfinite(self.values) | self.lost).sum())


@dataclass(frozen=True)
class _Request:
    name: str
    run: Run


def can(run: Run) -> bool:
    """Whether a run is a grid of three coordinates in a box, which is what is drawn here."""
    return registry.is_volume(run.field.chart.name) and registry.dimension(run.field) == 3 and run.sampler.name == "grid"


def want(run: Run) -> str:
    """Request for it; what brings it back in an address."""
    return submit([_Request(form.name_of(run), run)])


def show(store: RunStore, run: Run) -> None:
    """The surface and a slice, all slices, minima and passes, and the model at the picked place."""
    field = run.field
    with head.controls():
        offered = [m for m in METRICS if m in metrics.given(field)] or ["loss"]
        metric = st.segmented_control(
            "Metric", offered, default=offered[0], key=f"volume-metric-{run.id}", label_visibility="collapsed", required=True
        )
        metric = metric or offered[0]
        log = st.toggle("Logarithmic", value=metric == "loss", key=f"volume-log-{metric}", width="content")
    at = _asked()
    if at is not None and not _requested(store, run):
        inspect_once(store, field, at)
    busy = _requested(store, run) or pick_active(store, field, at)
    live(_live, every=POLL_S, busy=busy, answers=True)(store, run, metric, log, busy)
    name = line_words.called(field, metric)
    there = _known(store, run, metric)
    if there is None:
        return
    with st.expander(f"All slices of the {name}", icon=":material/view_module:", key="slices", on_change="rerun") as part:
        if part.open:
            drawn = slices.figure(there.values, there.axes, names=minima.AXES, z_title=line.y_title(field, metric), log=log)
            chart(drawn, key="volume-slices", title=f"Slices of the {name}", stem="slices")
    unit, scale = units.of_level(field.problem, metric), units.scale(metric)
    minima.show(partial(_topology, store, run, metric), metric=name, unit=unit, scale=scale, plane="", pick=at, on_pick=partial(_pick, store, run))


def _live(store: RunStore, run: Run, metric: str, log: bool, was_busy: bool) -> None:
    at = _asked()
    busy = _requested(store, run) or pick_active(store, run.field, at)
    turned(was_busy, busy)
    there = _known(store, run, metric)
    if there is None:
        st.caption("Waiting for the models…" if busy else "Not measured yet.")
    else:
        left, right = st.columns(2, gap="medium")
        with left:
            _surface(store, run, there, metric, log, at)
        with right:
            _slice(store, run, there, metric, log, at)
    progress(store, [_Request(form.name_of(run), run)], key="volume")
    model_doubts.show(store, [run.field])
    if at is not None:
        model_at(store, run.field, at, measured_at(store, run.field, at))
    if busy:
        shell.tend()


def _surface(store: RunStore, run: Run, there: _Shown, metric: str, log: bool, at: At | None) -> None:
    found = _topology(store, run, metric)
    unit, scale = units.of_level(run.field.problem, metric), units.scale(metric)
    title, name = line.y_title(run.field, metric), line_words.called(run.field, metric)

    def picked(place: Sequence[float]) -> None:
        _pick(store, run, tuple(there.window.coords(np.array(place)).tolist()))

    listed = basins(found, scale=scale) if found is not None else []
    volume(
        there.values,
        there.axes,
        key=(key := f"volume-{run.id}"),
        z_title=title,
        alt=f"Surface of one value of the {name} in the {form.name_of(run)}.",
        unit=unit,
        minima=listed,
        group=GROUP,
        pick=there.window.places(np.array(at)).tolist() if at is not None else None,
        on_pick=picked,
        log=log,
        caption=f"{there.measured} of {there.values.size} points measured on {there.samples:,} {run.field.measured_on} samples",
    )
    corner(
        key=key,
        stem="volume",
        title=f"{title} in a volume",
        figure=lambda: slices.figure(there.values, there.axes, names=minima.AXES, z_title=title, log=log),
        explain=topology_figure.words(found, listed, unit=unit, scale=scale) if found is not None else "",
    )


def _slice(store: RunStore, run: Run, there: _Shown, metric: str, log: bool, at: At | None) -> None:
    """The plane at one place of the third axis; a click in it is a place of the volume."""
    x, y, z = there.axes
    places = [f"{value:.3g}".replace("-", "−") for value in z]
    chosen = st.select_slider("Slice at z =", places, value=places[len(z) // 2], key=f"volume-z-{run.id}")
    k = places.index(chosen)

    def picked(spot: Spot) -> None:
        _pick(store, run, tuple(there.window.coords(np.array([spot.x, spot.y, z[k]])).tolist()))

    pick = there.window.places(np.array(at)) if at is not None else None
    here = pick is not None and abs(float(pick[2] - z[k])) < 1e-6 * max(1.0, abs(float(z[-1])))
    plane(
        Surface(x, y, there.values[:, :, k].T, there.lost[:, :, k].T.astype(bool)),
        [],
        [],
        key=f"volume-slice-{run.id}",
        z_title=line.y_title(run.field, metric),
        alt=f"{line_words.called(run.field, metric)} in the slice at z = {chosen}.",
        pick=(float(pick[0]), float(pick[1])) if pick is not None and here else None,
        on_pick=picked,
        log=log,
        span=span(there.values, log),
        height=380,
    )


def _pick(store: RunStore, run: Run, at: tuple[float, ...]) -> None:
    place = tuple(round(c, 4) for c in at)
    query_state.put(at=",".join(f"{c:g}" for c in place), of="0")
    inspect(store, run.field, place)


def _asked() -> At | None:
    """The picked place, in coordinates."""
    try:
        at = tuple(float(part) for part in (query_state.get("at") or "").split(","))
    except ValueError:
        return None
    return at if len(at) == 3 and np.isfinite(at).all() else None


def _requested(store: RunStore, run: Run) -> bool:
    return active(store, [_Request("", run)])


def _size(run: Run) -> int:
    return cast("int", run.sampler.kwargs()["size"])


def _known(store: RunStore, run: Run, metric: str) -> _Shown | None:
    """The grid as far as it is measured; None while nothing is known of the models."""
    facts = store.field(run.field.id)
    if facts is None:
        return None
    try:
        window = cast("Window", registry.find("chart", run.field.chart.name, function="box")(facts.gram, **run.field.chart.kwargs()))
    except Refused:  # the worker says why
        return None
    points, seen = store.totals(run.field.id)
    size = _size(run)

    def make() -> _Shown:
        values, lost = np.full((size,) * 3, np.nan), np.zeros((size,) * 3, dtype=bool)
        steps = points.coords * (size - 1)
        on = np.isclose(steps, steps.round(), rtol=0, atol=1e-6).all(axis=1) & ((points.coords >= 0) & (points.coords <= 1)).all(axis=1)
        cells = tuple(steps[on].round().astype(int).T)
        values[cells] = units.scale(metric) * metrics.means(points, run.field.metrics, metric)[on]
        lost[cells] = ~np.isfinite(values[cells])
        along = np.linspace(0.0, 1.0, size)
        axes = list(window.places(np.repeat(along[:, None], 3, axis=1)).T)
        return _Shown(np.where(lost, np.nan, values), lost, axes, window, int(points.counts.sum()) if len(points) else 0)

    return once((str(store.path), run.field.id, metric, "volume", size), seen, make)


def _topology(store: RunStore, run: Run, metric: str) -> FieldTopology | None:
    """Of the grid, once it is measured everywhere."""
    there = _known(store, run, metric)
    if there is None or there.measured < there.values.size:
        return None
    size = _size(run)

    def make() -> FieldTopology:
        along = np.linspace(0.0, 1.0, size)
        coords = rounded(np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1).reshape(-1, 3))
        points: Points = metrics.column(store.points_at(run.field.id, coords), run.field.metrics, metric)
        return of_points(points, there.window.places(points.coords))

    return once((str(store.path), run.field.id, metric, "volume topology", size), 0, make)
