"""Planes through weight space, live while they are measured: picture, words, cross-sections, and the model at any place."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer import arc, methods
from explorer.arc import Place
from explorer.errors import Refused
from explorer.figures import curve as curve_figure
from explorer.figures import landscape, line
from explorer.figures import plane as plane_figure
from explorer.figures.curve import PALETTE
from explorer.figures.plane import Marker, Surface, Trace, surface
from explorer.frame import Window
from explorer.points import Array, Points
from explorer.spec import Field, Recipe, Run, Study
from explorer.store import FieldFacts, RunStore
from explorer.ui import address, landscape_form, shape, shell
from explorer.ui.curve import curve
from explorer.ui.download import download
from explorer.ui.families import choices, families, key_of
from explorer.ui.landscape_form import COARSE
from explorer.ui.model_view import At, inspect, inspect_once, model_at, pick_active
from explorer.ui.plane import Spot, plane
from explorer.ui.several import active, progress, want

POLL_S = 0.5
SIZES = (COARSE, 33, 65)
PATIENCE_S = 20.0  # a finer picture that takes longer is asked for, not begun by itself
MOST_SHOWN = 4


@dataclass(frozen=True)
class Picture:
    """A plane by its coarsest wish, and the finest size that somebody has wished for."""

    run: Run
    size: int

    @property
    def name(self) -> str:
        """What it is called."""
        return landscape_form.name_of(self.run)

    def at_size(self, size: int) -> Run:
        """The wish for the same plane with `size` points along each side."""
        return landscape_form.finer(self.run, size)


@dataclass(frozen=True)
class Seen:
    """What is known of a plane at this moment."""

    field: Field
    facts: FieldFacts
    window: Window
    points: Points
    grid: Surface
    whole: Surface  # the finest grid that is measured everywhere, or what there is of the coarsest
    markers: list[Marker]
    traces: list[Trace]


def show(store: RunStore, runs: list[Run]) -> None:
    """The pictures side by side; for a single one its words and cross-sections too; and the model at the picked place."""
    pictures = [Picture(run, _finest(store, run)) for run in runs[:MOST_SHOWN]]
    first = runs[0].field
    one, two, three, four = st.columns([2, 2, 3, 5], vertical_alignment="center")
    with one:
        metric = (
            st.segmented_control(
                "Metric", list(first.metrics), default=first.metrics[0], key="metric", bind="query-params", label_visibility="collapsed"
            )
            or first.metrics[0]
        )
    with two:
        log = st.toggle(
            "Logarithmic", value=metric == "loss", key=f"log-{metric}", help="Colours and heights. A loss far from the models is many times as high."
        )
    with three:
        kind = (
            st.segmented_control("Picture", ["map", "relief"], default="map", key="picture", bind="query-params", label_visibility="collapsed")
            or "map"
        )
    with four:
        others = _others(store, first, runs)
    asked = _asked(runs)
    if asked is not None and not active(store, pictures):
        inspect_once(store, *asked)
    for picture in pictures:
        _refine_by_itself(store, picture)
    busy = _busy(store, pictures, runs)
    st.fragment(_live, run_every=POLL_S if busy else None)(store, runs, pictures, metric, log, kind, others, busy)
    _takeaway(store, pictures, metric, log)
    if len(pictures) == 1 and (there := _look(store, pictures[0], metric, [])) is not None:
        scale, unit = (100.0, "%") if metric == "error" else (1.0, "nat")
        shape.topology(there.whole, there.points, there.field.metrics.index(metric), scale=scale, unit=unit)
        corners = first.corners[:1] if landscape_form.is_around(first) else first.corners
        shape.sharpness(store, first, corners)
        shape.spectrum(store, first, corners)


def _finest(store: RunStore, run: Run) -> int:
    wished = [size for size in SIZES if store.status(landscape_form.finer(run, size).id) is not None]
    return max(wished, default=COARSE)


def _others(store: RunStore, field: Field, runs: list[Run]) -> list[Recipe]:
    """Further models to be drawn in the plane."""
    every = families(store, field.problem, ())
    own = {key_of(c) for c in field.corners}
    known = {k: m for f in every if f.problem.id == field.problem.id for k, m in choices(store, f, every).items() if k not in own}
    if not known or len(runs) > 1:
        return []
    labels = {k: m.name or m.id for k, m in known.items()}
    chosen = st.multiselect(
        "Draw other models, too", list(known), format_func=labels.__getitem__, key=f"others-{runs[0].id}", placeholder="Draw other models, too",
        label_visibility="collapsed", help="Where they stand over or under this plane.",
    )  # fmt: skip
    return [known[k] for k in chosen]


def _asked(runs: list[Run]) -> tuple[Field, At] | None:
    """The picked place: of which plane, and where."""
    try:
        which = int(address.get("of") or "0")
        u, v = (float(part) for part in (address.get("at") or "").split(","))
        return (runs[which].field, (u, v)) if np.isfinite([u, v]).all() else None
    except (ValueError, IndexError):
        return None


def _refine_by_itself(store: RunStore, picture: Picture) -> None:
    """Once the coarse picture stands, the next one is begun where it will not take long."""
    status = store.status(picture.run.id)
    if picture.size != COARSE or status is None or status.state != "done":
        return
    points = COARSE**2
    if store.cost(picture.run.field.id) / points * (SIZES[1] ** 2 - points) < PATIENCE_S:
        shell.want(picture.at_size(SIZES[1]), idle=True)


def _busy(store: RunStore, pictures: list[Picture], runs: list[Run]) -> bool:
    asked = _asked(runs)
    sizes = [s for p in pictures for size in SIZES if (s := store.status(p.at_size(size).id)) is not None]
    studies = [s for s in store.statuses("Study", limit=20) if s.active]
    return any(s.active for s in sizes) or bool(studies) or (asked is not None and pick_active(store, *asked))


def _live(store: RunStore, runs: list[Run], pictures: list[Picture], metric: str, log: bool, kind: str, others: list[Recipe], was_busy: bool) -> None:
    busy = _busy(store, pictures, runs)
    progress(store, [_AtSize(p.name, p.at_size(p.size)) for p in pictures], key="landscape")
    seen = [_look(store, picture, metric, others) for picture in pictures]
    span = _span([s.grid for s in seen if s is not None], log) if len(pictures) > 1 else None
    columns = st.columns(len(pictures)) if len(pictures) > 1 else st.columns([3, 2], gap="large")
    for i, (picture, there) in enumerate(zip(pictures, seen, strict=True)):
        with columns[i]:
            if len(pictures) > 1:
                st.markdown(f"**{picture.name}**")
            if there is None:
                st.caption("Waiting for the models…" if busy else "Not measured yet.")
            elif kind == "relief":
                figure = landscape.relief(there.whole, there.markers, there.traces, z_title=line.y_title(there.field, metric), log=log)
                st.plotly_chart(figure, key=f"relief-{picture.run.id}", config={"displaylogo": False})
            else:
                _map(store, runs, i, picture, there, metric, log, span)
            if there is not None:
                _finer(store, picture, there)
    if len(pictures) == 1 and seen[0] is not None:
        with columns[1]:
            _words(seen[0], metric)
            _sections(seen[0], runs, metric, log)
    if len(pictures) == 1 and seen[0] is not None and len(seen[0].field.corners) > 3:
        _snapshots(seen[0], metric)
    asked = _asked(runs)
    if asked is not None:
        points, _ = store.points(asked[0].id)
        model_at(store, *asked, points)
    if was_busy != busy or any(_finest(store, p.run) != p.size for p in pictures):
        st.rerun()
    if busy:
        shell.tend()


@dataclass(frozen=True)
class _AtSize:
    name: str
    run: Run


def _look(store: RunStore, picture: Picture, metric: str, others: list[Recipe]) -> Seen | None:
    field = picture.run.field
    facts = store.field(field.id)
    if facts is None:
        return None
    try:
        window = cast("Window", methods.find("chart", field.chart.name, function="window")(facts.gram, **field.chart.kwargs()))
    except Refused as refusal:
        st.error(str(refusal), icon=":material/error:")
        return None
    points, _ = store.points(field.id)
    scale = 100.0 if metric == "error" else 1.0
    sizes = [size for size in SIZES if size <= picture.size]
    grids = [surface(points, field.metrics.index(metric), window, size, scale=scale) for size in sizes]
    whole = next((g for g in reversed(grids) if g.measured == g.z.size), grids[0])
    frame = window.frame
    corners = field.corners[:1] if landscape_form.is_around(field) else field.corners
    markers = [Marker(c.name or c.id, float(x), float(y), float(out)) for c, (x, y), out in zip(corners, frame.corners, frame.outside, strict=False)]
    traces = _paths(store, field, window)
    if len(corners) > 3:
        order = np.linspace(0.0, 1.0, len(corners))
        traces.append(Trace("in their order", PALETTE[1], order, frame.corners[:, 0], frame.corners[:, 1]))
    return Seen(field, facts, window, points, grids[-1], whole, [*markers, *_strangers(store, field, window, others)], traces)


def _strangers(store: RunStore, field: Field, window: Window, others: list[Recipe]) -> list[Marker]:
    """Other models, where they stand over the plane; asked for when that is not known."""
    if not others:
        return []
    wish = Study(field.problem, (*field.corners, *others), methods.method("study", "gram"))
    status = store.status(wish.id)
    if status is None:
        shell.want(wish, urgent=True)
    elif status.state == "failed":
        st.error(status.error, icon=":material/error:")
    if status is None or status.state != "done" or not isinstance(status.result, dict):
        return []
    gram = np.array(status.result["gram"], dtype=np.float64)
    c, frame = len(field.corners), window.frame
    found: list[Marker] = []
    for k, other in enumerate(others, start=c):
        # ⟨other − origin, axis⟩ and |other − origin|², from inner products alone
        along = frame.basis @ gram[:c, k] - frame.basis @ gram[:c, :c] @ frame.origin
        square = gram[k, k] - 2 * frame.origin @ gram[:c, k] + frame.origin @ gram[:c, :c] @ frame.origin
        found.append(Marker(other.name or other.id, float(along[0]), float(along[1]), float(np.sqrt(max(square - along @ along, 0.0)))))
    return found


def _paths(store: RunStore, field: Field, window: Window) -> list[Trace]:
    """Measured ways that lie in this plane because their corners are corners of it."""
    found: list[Trace] = []
    own = [c.id for c in field.corners]
    t = np.linspace(0.0, 1.0, arc.STEPS // 2 + 1)
    for status in store.statuses("Run", limit=200):
        run = status.wish
        if not isinstance(run, Run) or status.state != "done" or len(methods.axes(run.field.chart.name)) != 1 or len(found) >= len(PALETTE):
            continue
        corners = [c.id for c in run.field.corners]
        if len(corners) < 3 or not set(corners) <= set(own):
            continue
        rows = cast("Place", methods.find("chart", run.field.chart.name))(t[:, None], np.eye(len(corners)))
        x, y = window.frame.places(rows @ np.eye(len(own))[[own.index(c) for c in corners]]).T
        if (name := run.field.chart.name) not in {f.name for f in found}:
            found.append(Trace(name, PALETTE[len(found)], t, x, y))
    return found


def _span(grids: list[Surface], log: bool) -> tuple[float, float] | None:
    values = np.concatenate([g.z[np.isfinite(g.z)] for g in grids]) if grids else np.empty(0)
    values = values[values > 0] if log else values
    return (float(values.min()), float(values.max())) if values.size and values.min() < values.max() else None


def _map(
    store: RunStore, runs: list[Run], which: int, picture: Picture, there: Seen, metric: str, log: bool, span: tuple[float, float] | None
) -> None:
    asked = _asked(runs)
    pick = None
    if asked is not None and asked[0] == there.field:
        x, y = there.window.places(np.array(asked[1]))
        pick = (float(x), float(y))

    def picked(spot: Spot) -> None:
        u, v = (round(float(c), 4) for c in there.window.coords(np.array([spot.x, spot.y])))
        address.put(at=f"{u:g},{v:g}", of=str(which))
        inspect(store, there.field, (u, v))

    plane(
        there.grid,
        there.markers,
        there.traces,
        key=f"landscape-{picture.run.id}-{picture.size}",
        z_title=line.y_title(there.field, metric),
        alt=f"{metric} in the plane {picture.name}.",
        pick=pick,
        on_pick=picked,
        log=log,
        span=span,
        height=560 if len(runs) == 1 else 380,
        caption=_caption(there),
    )


def _caption(there: Seen) -> str:
    said = [
        f"{there.grid.measured} of {there.grid.z.size} cells measured on {int(there.points.counts.sum()) if len(there.points) else 0:,} {there.field.split} samples"
    ]
    far = [m for m in there.markers if m.outside > 1e-6 * np.ptp(there.grid.x)]
    if far:
        said.append(
            "not in this plane but this far from it: " + ", ".join(f"{m.name} {m.outside:.3g}" for m in far[:8]) + (" …" if len(far) > 8 else "")
        )
    return " · ".join(said)


def _finer(store: RunStore, picture: Picture, there: Seen) -> None:
    larger = next((s for s in SIZES if s > picture.size), None)
    if larger is None or there.grid.measured < there.grid.z.size or len(there.points) == 0:
        return
    seconds = store.cost(there.field.id) / len(there.points) * (larger**2 - picture.size**2)
    st.button(
        f"Finer ({larger} × {larger})",
        icon=":material/grid_4x4:",
        on_click=shell.resume,
        args=(picture.at_size(larger),),
        key=f"finer-{picture.run.id}",
        help=f"About {seconds:.0f} s of computing; what is measured stays.",
    )


def _words(there: Seen, metric: str) -> None:
    count = there.facts.facts.get("parameters", 0)
    st.markdown(
        landscape.explain(
            there.whole,
            there.markers,
            metric=metric,
            unit="%" if metric == "error" else "nat",
            around=landscape_form.is_around(there.field),
            dimensions=int(count) if isinstance(count, int) else 0,
        )
    )


def _sections(there: Seen, runs: list[Run], metric: str, log: bool) -> None:
    asked = _asked(runs)
    x, y = there.window.places(np.array(asked[1])) if asked is not None else (there.markers[0].x, there.markers[0].y)
    row, column = landscape.sections(there.whole, float(x), float(y))
    curve(
        [row, column],
        key=f"sections-{runs[0].id}",
        x_title="distance",
        y_title=f"{line.y_title(there.field, metric)}, cross-sections",
        pick=None,
        height=220,
        log=log,
        alt="The row and the column of cells through the picked place.",
        caption="Through the picked place." if asked is not None else f"Through {there.markers[0].name}; click in the plane to cut it elsewhere.",
    )


def _snapshots(there: Seen, metric: str) -> None:
    """What the plane does to each model: its own value, and that of the place of the plane under it."""
    alone = there.facts.facts.get("alone")
    if not isinstance(alone, list):
        return
    index, scale = there.field.metrics.index(metric), 100.0 if metric == "error" else 1.0
    own = [scale * cast("list[float]", row)[index] for row in alone]
    x, y = there.window.frame.corners.T
    st.dataframe(
        pd.DataFrame(
            {
                "model": [c.name or c.id for c in there.field.corners],
                f"its own {line.y_title(there.field, metric)}": own,
                "at its place in the plane": landscape.height(there.whole, x, y),
                "distance from the plane": there.window.frame.outside,
            }
        ),
        hide_index=True,
        column_config={"distance from the plane": st.column_config.NumberColumn(format="%.4g")},
    )
    st.caption("The models do not lie in the plane: what the picture shows at their places is the value of their shadows there, read between cells.")


def _takeaway(store: RunStore, pictures: list[Picture], metric: str, log: bool) -> None:
    ready = [(p, s) for p in pictures if (s := _look(store, p, metric, [])) is not None and len(s.points)]
    if not ready:
        return
    data, parquet, picture, code, link = st.columns(5)
    with data:
        download("Data (CSV)", lambda: _table(ready).to_csv(index=False), "plane.csv", mime="text/csv", icon=":material/table:", key="plane-csv")
    with parquet:
        download("Data (Parquet)", lambda: _parquet(_table(ready)), "plane.parquet", icon=":material/table:", key="plane-parquet")
    with picture:
        shown, there = ready[0]
        download(
            "Picture (HTML)",
            lambda: _html(shown, there, metric, log),
            "plane.html",
            mime="text/html",
            icon=":material/image:",
            key="plane-html",
        )
    with code, st.popover("Code", icon=":material/code:", width="stretch"):
        st.code(_code(pictures[0].run), language="python")
    with link, st.popover("Link", icon=":material/link:", width="stretch"):
        st.code("/landscape?" + "&".join(f"{k}={v}" for k, v in st.query_params.to_dict().items()), language=None)
        st.caption("This address brings this picture back, on any browser that reaches this explorer.")


def _table(ready: list[tuple[Picture, Seen]]) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    for picture, there in ready:
        places = there.window.places(there.points.coords)
        columns: dict[str, Array] = {"x": places[:, 0], "y": places[:, 1], "u": there.points.coords[:, 0], "v": there.points.coords[:, 1]}
        columns |= {m: there.points.means()[:, i] for i, m in enumerate(there.field.metrics)}
        frames.append(pd.DataFrame({"plane": picture.name, **columns}))
    return pd.concat(frames)


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _html(picture: Picture, there: Seen, metric: str, log: bool) -> str:
    figure = plane_figure.figure(
        there.grid,
        there.markers,
        there.traces,
        z_title=line.y_title(there.field, metric),
        title=f"{metric} in the plane {picture.name}",
        footnote=_caption(there),
        log=log,
    )
    return curve_figure.html(figure)


def _code(run: Run) -> str:
    field = run.field
    if landscape_form.is_around(field):
        direction = field.corners[1]
        options = getattr(direction, "method", None)
        given = ", ".join(f"{k}={v!r}" for k, v in options.options) if options is not None else ""
        extent = field.chart.kwargs()["extent"]
        return (
            "from explorer.api import landscape_around\n\n"
            f"plane = landscape_around({shell.file_of(field.corners[0])!r}, directions={options.name if options else ''!r},\n"
            f"                         options=dict({given}), extent={extent}, size=33)\n"
            "plane.figure().show()\n"
        )
    files = ", ".join(repr(shell.file_of(c)) for c in field.corners)
    return f"from explorer.api import landscape\n\nplane = landscape({files}, size=33)\nplane.figure().show()\n"


def want_all(runs: list[Run]) -> str:
    """Wish for all planes; what brings them back in an address."""
    return want([Picture(run, COARSE) for run in runs])
