"""Planes through weight space, live while they are measured: picture, words, cross-sections, and the model at any place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from explorer.core.markdown import plain
from explorer.core.points import Points
from explorer.core.spec import Field, Recipe, Run
from explorer.figures import curve as curve_figure
from explorer.figures import landscape, line
from explorer.figures.plane import SCALES
from explorer.stats import line_words, metrics, units
from explorer.stats.candidate_extremes import on_all
from explorer.stats.field_topology import FieldTopology
from explorer.stats.preview_confirmation import exact, mark
from explorer.store.job_status import duration
from explorer.store.run_store import RunStore
from explorer.ui.charts.curve import curve
from explorer.ui.charts.plane import Spot, View, plane
from explorer.ui.frame import auto_start, head, query_state, shell
from explorer.ui.frame.polling import live, turned
from explorer.ui.frame.run_set import active, progress, submit
from explorer.ui.landscape import form, minima, shape, triangle
from explorer.ui.landscape.export import beside, export, program, words
from explorer.ui.landscape.form import COARSE, FINEST
from explorer.ui.landscape.picture import SIZES, Kind, Picture, PlaneView, Style, current_view, finest, span
from explorer.ui.widgets import model_doubts
from explorer.ui.widgets.chart_actions import corner
from explorer.ui.widgets.model_inspector import At, inspect, inspect_once, measured_at, model_at, pick_active
from explorer.ui.widgets.model_picker import choices, families, key_of

POLL_S = 0.5
EXPECTED = 300  # points a refinement takes, more or less: exploration points, held-out points, and as many again where it is needed
MOST_SHOWN = 4
SMOOTH = "smooth preview"


def show(store: RunStore, asked_for: list[Run]) -> None:
    """The pictures side by side; for a single one its words and cross-sections too; and the model at the picked place."""
    asked_for = asked_for[:MOST_SHOWN]
    style, others = _controls(store, asked_for)
    runs = [form.measured_for(run, style.metric) for run in asked_for]
    for asked, run in zip(asked_for, runs, strict=True):
        if store.status(run.id) is None and run != asked and auto_start.quick(store, asked.field, COARSE**2):
            shell.submit(run)
    if style.picture == "triangle":
        triangle.begin(store, runs[0])
    pictures = [Picture(run, finest(store, run)) for run in runs]
    first = runs[0].field
    asked = _asked(runs)
    if asked is not None and not active(store, pictures):
        inspect_once(store, *asked)
    for picture in pictures if query_state.get("runs") else ():  # what a page opens with is not computed until somebody asks
        _refine_by_itself(store, picture)
    busy = _busy(store, pictures, runs)
    live(_live, every=POLL_S, busy=busy, answers=True)(store, runs, pictures, style, others, busy)
    if style.picture != "triangle" or not triangle.export(store, runs[0], style):
        export(store, pictures, style)
    if len(pictures) == 1 and store.field(first.id) is not None:
        low = _low(style, first)
        called = line_words.called(first, low.metric) + mark(first)
        minima.show(
            partial(_known, store, pictures[0], low),
            metric=called,
            unit=low.unit,
            scale=low.scale,
            plane=pictures[0].key,
            pick=asked[1] if asked else None,
            on_pick=_pick,
        )
        corners = form.models_of(first)
        shape.sharpness(store, first, corners)
        shape.spectrum(store, first, corners)
        shape.similarity(store, first, corners)


def _known(store: RunStore, picture: Picture, style: Style) -> FieldTopology | None:
    """The topology of the finest grid that is measured everywhere; None while there is none."""
    there = current_view(store, picture, style, [])
    return minima.known(store, there, style) if there is not None else None


def _pick(at: tuple[float, ...]) -> None:
    query_state.put(at=",".join(f"{round(c, 4):g}" for c in at), of="0")


def _low(style: Style, field: Field) -> Style:
    """The same picture by a metric whose minima are worth to be counted; of an exponential, the one that it is taken of."""
    known = metrics.find(style.metric)
    metric = "error" if style.metric == "accuracy" else style.metric if known.good == "low" and not known.exponential else "loss"
    return replace(style, metric=metric, unit=units.of_level(field.problem, metric))


def _controls(store: RunStore, runs: list[Run]) -> tuple[Style, list[Recipe]]:
    """How the person wants to see it, and what else in it; one row."""
    field = runs[0].field
    with head.controls():
        kind = _kind(triangle=_has_triangle(runs))
        metric = _metric(field)
        good = metrics.find(metric).good
        log = good != "" and st.toggle(
            "Logarithmic",
            value=metric in ("loss", "perplexity"),
            key=f"log-{metric}",
            width="content",
            help="Colours and heights. Far from the models the loss is often many times as high.",
        )
        with st.popover("View", icon=":material/visibility:"):
            values = _choice("Values", (SMOOTH, "measured cells"), key="values")
            scale = _choice("Colours", SCALES, key="colours")
            others = _others(store, field, runs)
    return Style(metric, units.of_level(field.problem, metric), log, kind, values == SMOOTH, scale), others


def _metric(field: Field) -> str:
    """Which metric, by its name in the address."""
    offered = (*metrics.offered(field.problem), *metrics.own(field))
    asked = query_state.get("metric")
    key, shown = f"landscape-metric-{asked}-{field.problem.id}", asked if asked in offered else offered[0]

    def chosen() -> None:
        if (metric := query_state.moved(key, shown)) is not None:
            query_state.put(metric=metric)

    return st.selectbox(
        "Metric",
        offered,
        index=offered.index(shown),
        format_func=lambda m: units.titled(line_words.called(field, m), units.of_level(field.problem, m)),
        key=key,
        on_change=chosen,
        label_visibility="collapsed",
        width=200,
    )


def _choice(label: str, options: Sequence[str], *, key: str) -> str:
    """One of a few, kept in the address."""
    chosen = st.segmented_control(label, options, default=options[0], key=key, bind="query-params", label_visibility="collapsed", width="content")
    return chosen or options[0]


def _has_triangle(runs: list[Run]) -> bool:
    return len(runs) == 1 and form.has_triangle(runs[0].field)


def _kind(*, triangle: bool) -> Kind:
    """What the address asks for; between the views the picture itself switches."""
    asked = query_state.get("picture")
    return "relief" if asked == "relief" else "triangle" if asked == "triangle" and triangle else "map"


def _switched(view: View) -> None:
    """The picture's own switch was used."""
    query_state.put(picture=view)


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
        label_visibility="collapsed", help="Where they are above or below this plane.", width=210,
    )  # fmt: skip
    return [known[k] for k in chosen]


def _asked(runs: list[Run]) -> tuple[Field, At] | None:
    """The picked place: of which plane, and where."""
    try:
        which = int(query_state.get("of") or "0")
        u, v = (float(part) for part in (query_state.get("at") or "").split(","))
        return (runs[which].field, (u, v)) if np.isfinite([u, v]).all() else None
    except (ValueError, IndexError):
        return None


def _refine_by_itself(store: RunStore, picture: Picture) -> None:
    """Once the coarse picture stands, more points come where it needs them, then an even finer grid, as long as neither takes long."""
    field = picture.run.field
    more = SIZES[1] ** 2 - store.count(field.id)
    coarse, refined = store.status(picture.run.id), store.status(picture.refined.id)
    if coarse is None or coarse.state != "done" or picture.size > FINEST:
        return
    if refined is None and auto_start.quick(store, field, EXPECTED):
        shell.submit(picture.refined, idle=True)
    elif refined is not None and refined.state == "done" and picture.size == COARSE and auto_start.quick(store, field, more):
        shell.submit(picture.at_size(SIZES[1]), idle=True)


def _busy(store: RunStore, pictures: list[Picture], runs: list[Run]) -> bool:
    asked = _asked(runs)
    studies = [s for s in store.statuses("Study", limit=20) if s.active]
    whole = [on_all(run.field) for run in runs]
    deciding = [s for s in store.statuses("Run", limit=20) if s.active and isinstance(s.request, Run) and s.request.field in whole]
    mixing = _has_triangle(runs) and triangle.active(store, runs[0])
    return mixing or _wishes_active(store, pictures) or bool(studies) or bool(deciding) or (asked is not None and pick_active(store, *asked))


def _wishes_active(store: RunStore, pictures: list[Picture]) -> bool:
    return any(status.active for picture in pictures for _, status in picture.requested(store))


def _live(store: RunStore, runs: list[Run], pictures: list[Picture], style: Style, others: list[Recipe], was_busy: bool) -> None:
    busy = _busy(store, pictures, runs)
    turned(was_busy, busy)
    if any(finest(store, p.run) != p.size for p in pictures):
        st.rerun()
    seen = [current_view(store, picture, style, others) for picture in pictures]
    requests = [
        request for picture, there in zip(pictures, seen, strict=True) for request in (*_pending(store, picture), *_deciding(store, picture, there))
    ]
    colours = span([s.drawn for s in seen if s is not None], style.log) if len(pictures) > 1 else None
    columns = st.columns(len(pictures)) if len(pictures) > 1 else st.columns([7, 3], gap="medium")
    for i, (picture, there) in enumerate(zip(pictures, seen, strict=True)):
        with columns[i]:
            if len(pictures) > 1:
                st.markdown(f"**{plain(picture.name)}**")
            coming = busy or there is not None  # the place of a picture that failed would push below the page why it did
            with head.picture("landscape") if len(pictures) == 1 and coming else st.container():
                if there is None:
                    st.caption("Waiting for the models…" if busy else "Not measured yet.")
                else:
                    _plane(store, runs, i, picture, there, style, colours)
            if there is not None and len(there.points) and len(pictures) > 1:
                beside(picture, there, style, colours)
            if there is not None:
                _finer(store, picture, there)
    if len(pictures) == 1 and seen[0] is not None:
        with columns[1]:
            if style.picture == "triangle":
                triangle.beside(store, runs[0], style)
            else:
                with st.container(key="verdict"):
                    st.markdown(words(seen[0], style))
                _sections(seen[0], runs, style)
    if _has_triangle(runs) and triangle.active(store, runs[0]):
        requests.append(_Request("mixtures", triangle.run_of(store, runs[0])))
    with columns[0] if len(pictures) == 1 else st.container():  # right under the picture: on a phone the words beside it come below
        progress(store, requests, key="landscape")
    model_doubts.show(store, (run.field for run in runs))
    if len(pictures) == 1 and seen[0] is not None and len(seen[0].field.corners) > 3:
        _snapshots(seen[0], style)
    asked = _asked(runs)
    if asked is not None:
        model_at(store, *asked, measured_at(store, *asked))
    if busy:
        shell.tend()


@dataclass(frozen=True)
class _Request:
    name: str
    run: Run


def _pending(store: RunStore, picture: Picture) -> list[_Request]:
    """What is told of under the buttons: the finest grid, and the refinement, where they are not there yet."""
    requested = picture.requested(store)
    open = [run for run, status in requested if status.state != "done"]
    return [_Request(picture.name, run) for run in open or ([] if requested else [picture.run])]


def _deciding(store: RunStore, picture: Picture, there: PlaneView | None) -> list[_Request]:
    """What was asked to be measured of it on all samples, and is not there yet."""
    if there is None or there.deciding is None or there.decided is not None or store.status(there.deciding.id) is None:
        return []
    return [_Request(f"{picture.name}, on all samples", there.deciding)]


def _plane(
    store: RunStore, runs: list[Run], which: int, picture: Picture, there: PlaneView, style: Style, colours: tuple[float, float] | None
) -> None:
    asked = _asked(runs)
    pick = None
    if asked is not None and asked[0] == there.field:
        x, y = there.window.places(np.array(asked[1]))
        pick = (float(x), float(y))

    def picked(spot: Spot) -> None:
        u, v = (round(float(c), 4) for c in there.window.coords(np.array([spot.x, spot.y])))
        query_state.put(at=f"{u:g},{v:g}", of=str(which))
        inspect(store, there.field, (u, v))

    plane(
        there.drawn,
        there.markers,
        there.traces,
        key=picture.key,
        z_title=line.y_title(there.field, style.metric),
        alt=f"{line_words.called(there.field, style.metric)} in the plane {picture.name}.",
        pick=pick,
        on_pick=picked,
        log=style.log,
        span=colours,
        height=head.HEIGHT if len(runs) == 1 else 380,
        caption=triangle.caption(store, picture.run) if style.picture == "triangle" else there.caption(style),
        scale=style.colours,
        view=style.picture,
        on_view=_switched,
        mixtures=triangle.told(store, picture.run, style) if _has_triangle(runs) else None,
    )


def _finer(store: RunStore, picture: Picture, there: PlaneView) -> None:
    """Buttons for what did not come by itself."""
    coarse = store.status(picture.run.id)
    if coarse is None or coarse.state != "done" or not len(there.points) or _wishes_active(store, [picture]):
        return
    each = store.cost(there.field.id) / len(there.points)
    larger = next((s for s in SIZES if s > picture.size), None)
    with st.container(horizontal=True):
        if picture.size <= FINEST and store.status(picture.refined.id) is None:
            _more("Refine where it is needed", ":material/auto_fix_high:", picture.refined, EXPECTED * each, picture)
        if larger is not None:
            _more(f"Finer ({larger} × {larger})", ":material/grid_4x4:", picture.at_size(larger), each * (larger**2 - picture.size**2), picture)
        if (run := there.deciding) is not None and there.decided is None:
            st.button(
                "All samples where they matter",
                icon=":material/my_location:",
                on_click=shell.resume,
                args=(run,),
                key=f"decide-{run.id}",
                help=f"Measures on all samples of the {run.field.measured_on} split the points that may be the lowest or the highest of this picture: those"
                f" that {there.field.samples:,} samples cannot distinguish.",
            )


def _more(label: str, icon: str, run: Run, seconds: float, picture: Picture) -> None:
    help = f"About {duration(seconds)} of computing; what is already measured is kept."
    st.button(label, icon=icon, on_click=shell.resume, args=(run,), key=f"{label[:5]}-{picture.run.id}", help=help)


def _sections(there: PlaneView, runs: list[Run], style: Style) -> None:
    asked = _asked(runs)
    x, y = there.window.places(np.array(asked[1])) if asked is not None else (there.markers[0].x, there.markers[0].y)
    row, column = landscape.sections(there.whole, float(x), float(y))
    title = f"{line.y_title(there.field, style.metric)}, cross-sections"
    caption = "Through the selected point." if asked is not None else f"Through {plain(there.markers[0].name)}; click in the plane to move the cut."
    with head.beside("sections"):
        curve(
            [row, column],
            key=(key := f"sections-{runs[0].id}"),
            x_title="distance along the cut",
            y_title=title,
            pick=None,
            height=220,
            log=style.log,
            alt="The row and the column of cells through the selected point.",
            caption=caption,
        )
    corner(
        key=key,
        stem="sections",
        title=title,
        figure=lambda: curve_figure.figure(
            [row, column], x_title="distance along the cut", y_title=title, title=title, footnote=caption, log=style.log
        ),
        code=program(runs[0], style.metric),
    )


def _snapshots(there: PlaneView, style: Style) -> None:
    """What the plane does to each model: its own value, and that of the place of the plane under it."""
    alone = there.facts.facts.get("alone")
    if not isinstance(alone, list):
        return
    sums = np.array(alone, dtype=np.float64)[:, :, None]
    own = style.scale * metrics.means(Points(sums[:, 0], sums, np.ones(1)), there.field.metrics, style.metric)
    x, y = there.window.frame.corners.T
    numbers = {
        f"its own {line.y_title(exact(there.field), style.metric)}": own,
        f"at its position in the plane{mark(there.field)}": landscape.height(there.whole, x, y),
        "distance from the plane": there.window.frame.outside,
    }
    st.dataframe(
        pd.DataFrame({"model": [c.name or c.id for c in there.field.corners], **numbers}),
        hide_index=True,
        column_config=dict.fromkeys(numbers, st.column_config.NumberColumn(format="%.3g")),
    )
    st.caption("The models do not lie in the plane: the picture shows the value at their projections, interpolated between cells.")


def want_all(runs: list[Run]) -> str:
    """Request for all planes; what brings them back in an address."""
    return submit([Picture(run, COARSE) for run in runs])
