"""What a person takes away from planes: the data, the picture, the code that makes it again, and its address."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core import registry
from explorer.core.markdown import plain
from explorer.core.spec import Run, Shifted
from explorer.figures import data, landscape, line, mesh
from explorer.figures import plane as plane_figure
from explorer.figures.plane import Extreme, Surface
from explorer.stats import candidate_extremes, line_words, metrics
from explorer.stats.preview_confirmation import is_preview
from explorer.store.run_store import RunStore
from explorer.ui.frame import query_state, shell
from explorer.ui.landscape import form
from explorer.ui.landscape.picture import Picture, PlaneView, Style, current_view, span
from explorer.ui.widgets import python_source
from explorer.ui.widgets.chart_actions import actions, corner
from explorer.ui.widgets.model_picker import key_of


def export(store: RunStore, pictures: list[Picture], style: Style) -> None:
    """The row under the pictures."""
    ready = [(p, s) for p in pictures if (s := current_view(store, p, style, [])) is not None and len(s.points)]
    if not ready:
        return
    shown, there = ready[0]
    colours = span([s.drawn for _, s in ready], style.log) if len(pictures) > 1 else None

    def compare() -> None:
        st.caption("Up to four planes are drawn side by side, on one scale of colours: choose several in the form above. Barriers with intervals:")
        models = form.models_of(shown.run.field)
        if len(models) > 1:
            ends = dict(zip("ab", map(key_of, models), strict=False))
            shell.link(
                "interpolate",
                f"The line {plain(models[0].name or models[0].id)} → {plain(models[1].name or models[1].id)}",
                icon=":material/show_chart:",
                **ends,
            )
        shell.link("paths", "Paths between two models", icon=":material/route:")

    actions(
        key=shown.key if len(pictures) == 1 else "landscape",
        stem="plane",
        explain="\n\n".join((f"**{plain(p.name)}**: " if len(ready) > 1 else "") + words(s, style) for p, s in ready),
        compare=compare,
        table=lambda: _table(ready),
        figure=lambda: figure(shown, there, style, colours),
        grid=lambda: mesh.mesh(_relief_of(there), line.y_title(there.field, style.metric), log=style.log, scale=style.colours),
        code="\n\n".join(program(p.run, style.metric) for p in pictures),
        link=query_state.link("landscape", runs=",".join(p.run.id for p in pictures)),
    )


def beside(picture: Picture, there: PlaneView, style: Style, colours: tuple[float, float] | None) -> None:
    """The corner of one plane among several."""
    corner(
        key=picture.key,
        stem="plane",
        title=picture.name,
        figure=lambda: figure(picture, there, style, colours),
        explain=words(there, style),
        code=program(picture.run, style.metric),
    )


def words(there: PlaneView, style: Style) -> str:
    """A plane in words."""
    count = there.facts.facts.get("parameters", 0)
    coords, last = there.points.coords, len(there.whole.x) - 1

    def interval(i: int, j: int) -> tuple[float, float]:
        node = np.array([[i, j]]) / last
        found = there.blocks(node)
        if not len(found):  # measured close to it
            found = there.blocks(coords[[np.abs(coords - node).max(axis=1).argmin()]])
        low, high = style.interval(there.field, found)
        return float(low[0]), float(high[0])

    return landscape.explain(
        there.whole,
        there.markers,
        metric=metrics.find(style.metric),
        unit=style.unit,
        around=form.is_around(there.field),
        dimensions=int(count) if isinstance(count, int) else 0,
        interval=interval,
        **_better_known(there, style),
    )


class _BetterKnown(TypedDict, total=False):
    extremes: tuple[Extreme, Extreme] | None
    chosen: str
    caution: str


def _better_known(there: PlaneView, style: Style) -> _BetterKnown:
    """What is quoted and not read off the picture: of a preview, and of places that were measured on all samples."""
    field = there.field
    if is_preview(field):
        points = line.quoted(field, there.points, there.again)
        return {"extremes": plane_figure.extremes(field, points, style.metric, there.window), "caution": line_words.caution(field, there.again)}
    if (points := there.decided) is not None:
        some, every = int(there.points.counts.sum()), int(points.counts.sum())
        among = f"{len(points)} of the" if len(points) >= candidate_extremes.MOST else f"the {len(points)}"  # there may have been more
        chosen = f"These two were measured on all {every:,} samples, among {among} points that {some:,} samples cannot distinguish from them."
        return {"extremes": plane_figure.extremes(field, points, style.metric, there.window), "chosen": chosen}
    return {}


def _table(ready: list[tuple[Picture, PlaneView]]) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    for picture, there in ready:
        frames.append(data.frame(plane_figure.table(there.field, there.points, there.window, there.again), there.field, plane=picture.name))
    return pd.concat(frames)


def figure(picture: Picture, there: PlaneView, style: Style, colours: tuple[float, float] | None) -> go.Figure:
    """A plane on paper; a relief as it is drawn. colours: the values with the lowest and the highest one, where several planes are drawn."""
    if style.picture == "relief":
        return landscape.relief(
            _relief_of(there),
            there.markers,
            there.traces,
            z_title=line.y_title(there.field, style.metric),
            log=style.log,
            span=colours,
            scale=style.colours,
        )
    return plane_figure.figure(
        there.drawn,
        there.markers,
        there.traces,
        z_title=line.y_title(there.field, style.metric),
        title=f"{metrics.find(style.metric).called} in the plane {picture.name}",
        footnote=there.caption(style),
        log=style.log,
        scale=style.colours,
        ends=colours,
    )


def _relief_of(there: PlaneView) -> Surface:
    """What stands in three dimensions."""
    return there.whole if there.drawn.guess is None else there.drawn


def program(run: Run, metric: str = "loss") -> str:
    """Python that measures the plane again, and looks closer where the picture needs it."""
    field = run.field
    how = f"    problem={python_source.problem(field.problem)},\n    split={field.measured_on!r},\n    samples={field.samples},\n    buffers={field.buffers!r},\n{python_source.precision(field)}    refine=True,\n"
    how += "    scores=True,\n)" if field.metrics == metrics.SCORED else ")"
    shown = "" if metric == "loss" else repr(metric)
    if field.chart.name in registry.added("chart"):
        return python_source.program(python_source.runs({"plane": run}) + 'print(measured["plane"].means())')
    if form.is_around(field):
        first, second = field.corners[1:]
        if isinstance(first, Shifted):
            there = f"directions={first.method.name!r},\n    options={first.method.kwargs()!r}"
        else:
            there = f"towards=({python_source.model(first)}, {python_source.model(second)})"
        call = f"landscape_around(\n    {python_source.model(field.corners[0])},\n    {there},\n    extent={field.chart['extent']},\n{how}"
    else:
        corners = "".join(f"    {python_source.model(c)},\n" for c in field.corners)
        call = f"landscape(\n{corners}    margin={field.chart['margin']},\n{how}"
    return python_source.program(f"plane = {call}\nprint(plane.certificate({shown}))\nplane.figure({shown}).show()")
