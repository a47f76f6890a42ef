"""What was measured, for a notebook: a path, models after an alignment, a plane; their points with the numbers and pictures made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypedDict, Unpack, cast
from uuid import uuid4

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from explorer.api import _summaries
from explorer.api._app import opened
from explorer.api._shown import Shown, Summary
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points
from explorer.core.spec import Aligned, Field, Fused, Json, Run, Shifted
from explorer.figures import curve as curve_figure
from explorer.figures import data, landscape, matching, mesh, still, told
from explorer.figures import line as line_figure
from explorer.figures import plane as plane_figure
from explorer.figures.curve import PALETTE, Curve
from explorer.figures.paper import export
from explorer.figures.plane import Extreme, Marker, Surface, Trace
from explorer.stats import line_metrics, line_words, metrics, units
from explorer.stats.arc_length import ChartFunction
from explorer.stats.barriers import Barrier, Verdict
from explorer.stats.certificate_words import certified
from explorer.stats.hidden_peaks import Hidden, hidden
from explorer.stats.intervals import Estimate
from explorer.stats.plane_frame import Window
from explorer.stats.point_recipe import recipe_at
from explorer.stats.preview_confirmation import Confirmed, is_preview
from explorer.stats.sparse_grid_surrogate import Certificate
from explorer.store.run_store import RunStore
from explorer.symmetry.alignment_report import Matched

if TYPE_CHECKING:  # anywidget may not be there
    from explorer.api.widgets import LiveCurve, LivePlane

IN_PYTHON = "with w = result.widget(), w.selected is its place and w.model() the model there"


@dataclass(frozen=True, repr=False)
class Line(Shown):
    """A measured path: its points, and the numbers and pictures made of them.

    >>> line = interpolate("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors", sampler="grid", options={"size": 5})
    >>> line.points.coords[:, 0]
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    >>> print(f"{line.barrier('error').height.value:.1f} of the answers become wrong on the way")
    0.1 of the answers become wrong on the way
    """

    run: Run
    points: Points
    again: Confirmed | None = None  # of a preview: what was measured again in float32
    doubts: tuple[str, ...] = ()  # what makes the numbers of its models doubtful, a sentence each
    home: str | Path | None = None  # the folder of the store, as it was given

    def open(self, *, port: int = 8501) -> str:
        """Show it in the app, which is started where it does not run on that port yet; its address."""
        return opened(self.run, len(self.points), self.home, port)

    def model(self, t: float) -> Fused:
        """The model at t on the path, as a recipe: it goes wherever a checkpoint does, and `make` writes it.

        >>> line = interpolate("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors", options={"budget": 9})
        >>> line.model(0.5).name
        '0.5 seed-0 + 0.5 seed-1'
        """
        return model_at(self.run.field, (float(t),), self.home)

    def barrier(self, metric: str = "loss") -> Barrier:
        """The barrier of a metric ('loss', 'error', one of your own, or any that was measured) with its 95 % interval; of a preview, measured in float32. Refused when an end diverged."""
        return require_barrier(self.run.field, line_figure.quoted(self.run.field, self.points, self.again), metric)

    def verdict(self, metric: str = "loss") -> Verdict:
        """The verdict on the barrier: 'barrier', 'connected' or 'open', with what counts as none and what these samples can show. Refused like `barrier`."""
        return line_words.verdict_of(self.run.field.problem, self.barrier(metric))

    def hidden(self, metric: str = "loss") -> Hidden:
        """What the points do not show: how much higher the path may be between them, by estimate, and how narrow a peak could hide there; of a preview, by
        all of its points. Refused when an end diverged, or there is nothing but the ends.

        >>> line = interpolate("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors", options={"budget": 9})
        >>> found = line.hidden()
        >>> print(f"{found.points} points: perhaps {found.above:.2f} nats higher, and a peak narrower than {found.width:.2f} in t could hide")
        9 points: perhaps 0.05 nats higher, and a peak narrower than 0.06 in t could hide
        >>> found.out_of_budget(line.run.sampler)
        True
        """
        self.barrier(metric)
        found = hidden(line_metrics.worse_upward(self.points, self.run.field.metrics, metric))
        if found is None:
            raise Refused("Between the ends of the path there is no finite value, so nothing is known about the path there. Measure more points.")
        return found

    def figure(self, metric: str = "loss", *, log: bool = False) -> go.Figure:
        """The curve with its band, chord and barrier; `log`: on a logarithmic axis."""
        return line_figure.figure_of(self.run.field, self.points, measured_name(self.run.field, metric), log=log, again=self.again)

    def save_figure(self, *files: str | Path, metric: str = "loss", log: bool = False, **how: Unpack[Paper]) -> None:
        """The picture as PDF, SVG or PNG, by each file's ending, drawn without a browser: `Paper` says how. Needs `explorer[figures]`."""
        save_figure(self.figure(metric, log=log), *files, source=f"run {self.run.id}", **how)

    def to_frame(self) -> pd.DataFrame:
        """One row for each point: t, and each metric with the ends of its interval; `attrs["units"]` says what they are in."""
        return data.frame(line_figure.table(self.run.field, self.points, self.again), self.run.field)

    def save_data(self, *files: str | Path) -> None:
        """The same as CSV, Parquet or NPZ, by each file's ending, with the units in the names of the columns."""
        data.save(self.to_frame(), *files)

    def widget(self, metric: str = "loss") -> LiveCurve:
        """The curve as a live widget for a notebook: hover for values, click a point to have it in Python. Needs the extra `notebook`."""
        return live().LiveCurve(self.told(metric), self.model)

    def told(self, metric: str = "loss", *, key: str = "") -> dict[str, Json]:
        """What the widget is told. key: the picture's own; "" for a new one."""
        return _told([self.curve(metric)], self.run.field, metric, key)

    def curve(self, metric: str = "loss", *, name: str = "", ghost: bool = False) -> Curve:
        """What is drawn: the values with their band, the chord and the barrier. Errors are in percent."""
        field = self.run.field
        return line_figure.curve(field, self.points, measured_name(field, metric), ghost=ghost, name=name, again=self.again)

    def caution(self) -> str:
        """What must be known of a preview, and of models whose numbers are doubtful; empty for others."""
        return caution(self.run.field, self.again, self.doubts)

    def _summary(self) -> Summary:
        return _summaries.of_line(self)

    def _drawn(self) -> str:
        return _still([self.curve()], self.run.field)

    def _live(self) -> Callable[[], LiveCurve]:
        return self.widget


@dataclass(frozen=True, repr=False)
class Pair(Shown):
    """The reference and one other model, before and after an alignment.

    before: None for a model of different widths, from which no straight line leads to the reference.
    """

    before: Line | None
    after: Line

    def figure(self, metric: str = "loss", *, log: bool = False) -> go.Figure:
        """Both lines in one picture, the one before dashed."""
        field = self.after.run.field
        name = measured_name(field, metric)
        curves = [line_figure.curve(field, self.after.points, name, name="after the alignment", again=self.after.again)]
        if self.before is not None:
            curves.append(line_figure.curve(self.before.run.field, self.before.points, name, ghost=True, name="before", again=self.before.again))
        a, b = line_words.names(self.before.run.field if self.before is not None else field)
        return curve_figure.figure(
            curves,
            x_title=f"t   (0 = {a}, 1 = {b})",
            y_title=line_figure.y_title(field, name),
            title=f"{a} → {b}: {metrics.find(name).called} before and after the alignment",
            footnote=line_words.footnote(field, self.after.points, self.after.again),
            log=log,
        )

    def save_figure(self, *files: str | Path, metric: str = "loss", log: bool = False, **how: Unpack[Paper]) -> None:
        """The picture as PDF, SVG or PNG, by each file's ending, drawn without a browser: `Paper` says how. Needs `explorer[figures]`."""
        save_figure(self.figure(metric, log=log), *files, source=f"run {self.after.run.id}", **how)

    def to_frame(self) -> pd.DataFrame:
        """One row for each point of both lines; `alignment` says of which."""
        lines = [("before", self.before), ("after", self.after)]
        return pd.concat(
            [
                data.frame(line_figure.table(line.run.field, line.points, line.again), line.run.field, alignment=when)
                for when, line in lines
                if line is not None
            ],
            ignore_index=True,
        )

    def save_data(self, *files: str | Path) -> None:
        """The same as CSV, Parquet or NPZ, by each file's ending, with the units in the names of the columns."""
        data.save(self.to_frame(), *files)

    def reduction(self, metric: str = "loss") -> Estimate:
        """How much lower the barrier is after the alignment, with its paired 95 % interval. Refused when an end diverged, or there was no line before."""
        if self.before is None:
            raise Refused(
                "Models of different widths are not joined by a straight line before they are aligned, so there is no barrier to compare with."
            )
        lines = (self.before, self.after)
        for line in lines:
            line.barrier(metric)
        before, after = (line_figure.quoted(line.run.field, line.points, line.again) for line in lines)
        field = self.before.run.field
        found = line_metrics.reduction_of(before, after, field.metrics, measured_name(field, metric))
        assert found is not None
        return found

    def widget(self, metric: str = "loss") -> LiveCurve:
        """Both lines as a live widget for a notebook; a clicked point is the model on the line after the alignment. Needs the extra `notebook`."""
        return live().LiveCurve(_told(self.curves(metric), self.after.run.field, metric, ""), self.after.model)

    def curves(self, metric: str = "loss") -> list[Curve]:
        """What is drawn: the line after the alignment and, dashed, the one before where there was one."""
        before = [] if self.before is None else [self.before.curve(metric, name="before", ghost=True)]
        return [self.after.curve(metric, name="after the alignment"), *before]

    def _summary(self) -> Summary:
        return _summaries.of_pair(self)

    def _drawn(self) -> str:
        return _still(self.curves(), self.after.run.field)

    def _live(self) -> Callable[[], LiveCurve]:
        return self.widget


@dataclass(frozen=True, repr=False)
class AlignedModels(Shown):
    """Models after an alignment: their recipes, where their checkpoints are, where their units went, and a pair for each but the reference.

    >>> aligned = align("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors", sampler="grid", options={"size": 3})
    >>> [r.name for r in aligned.recipes], len(aligned.pairs)
    (['seed-0 (weight matching)', 'seed-1 (weight matching)'], 1)
    >>> print(f"distance {aligned.matched.before[0, 1]:.0f} before, {aligned.matched.after[0, 1]:.0f} after")
    distance 20 before, 13 after
    """

    recipes: tuple[Aligned, ...]
    files: tuple[Path, ...]
    matched: Matched
    pairs: tuple[Pair, ...]

    def layer_figure(self, which: int = 1) -> go.Figure:
        """How near each weight came to the reference's: its cosine before and after. `which`: the model, from 1; Refused when there is none."""
        if not 1 <= which <= len(self.pairs):
            raise Refused(
                f"There is no model {which} here. Model 0 is the reference, which is not aligned to another; the others are 1 … {len(self.pairs)}."
            )
        return matching.layers(self.matched, which)

    def convergence_figure(self) -> go.Figure:
        """Progress of the method, step by step; one curve for each model that was moved. Empty for a method without steps."""
        return matching.convergence(self.matched)

    def _summary(self) -> Summary:
        return _summaries.of_alignment(self)

    def _drawn(self) -> str:
        return _still(self.pairs[0].curves(), self.pairs[0].after.run.field) if len(self.pairs) == 1 else ""

    def _live(self) -> Callable[[], LiveCurve] | None:
        return self.pairs[0].widget if len(self.pairs) == 1 else None


@dataclass(frozen=True, repr=False)
class Plane(Shown):
    """A measured plane: its points, where they lie, and the picture made of them."""

    run: Run
    points: Points
    window: Window
    again: Confirmed | None = None  # of a preview: what was measured again in float32
    doubts: tuple[str, ...] = ()  # as of a line
    home: str | Path | None = None  # the folder of the store, as it was given

    def open(self, *, port: int = 8501) -> str:
        """Show it in the app, which is started where it does not run on that port yet; its address."""
        return opened(self.run, len(self.points), self.home, port)

    def model(self, x: float, y: float) -> Fused:
        """The model at a place in the plane, in distances as on the axes, as a recipe: it goes wherever a checkpoint does, and `make` writes it."""
        u, v = self.window.coords(np.array([[x, y]]))[0]
        return model_at(self.run.field, (float(u), float(v)), self.home)

    def surface(self, metric: str = "loss") -> Surface:
        """The values of any metric that the plane was measured for (explorer.stats.metrics) by their distances along both axes; shares are in percent."""
        return self.seen(metric)[0]

    def certificate(self, metric: str = "loss") -> Certificate | None:
        """How wrong a refined picture may be between its measured points; None for an even grid."""
        return self.seen(metric)[1]

    def extremes(self, metric: str = "loss") -> tuple[Extreme, Extreme] | None:
        """Where a metric is lowest and highest; of a preview, measured in float32. None where no value is finite."""
        field = self.run.field
        return plane_figure.extremes(field, line_figure.quoted(field, self.points, self.again), measured_name(field, metric), self.window)

    def caution(self) -> str:
        """What must be known of a preview, and of models whose numbers are doubtful; empty for others."""
        return caution(self.run.field, self.again, self.doubts)

    def seen(self, metric: str = "loss") -> tuple[Surface, Certificate | None]:
        """`surface` and `certificate` at once."""
        measured, metric = self.run.field.metrics, measured_name(self.run.field, metric)
        if metric not in (given := metrics.given(self.run.field)):
            raise Refused(
                f"This plane cannot be drawn by {metric!r}. It was measured for {', '.join(given)}; scores=True measures more, where there are classes."
            )
        options = self.run.sampler.kwargs()
        if isinstance(size := options.get("size"), int):
            return plane_figure.cells(self.points, measured, metric, self.window, size), None
        finest = options["finest"]
        assert isinstance(finest, int)
        return plane_figure.previewed(self.points, measured, metric, self.window, finest)

    def to_frame(self) -> pd.DataFrame:
        """One row for each point: its distances x and y in the plane, and the mean of each metric; of a preview also the precision of each row.
        `attrs["units"]` says what they are in."""
        return data.frame(plane_figure.table(self.run.field, self.points, self.window, self.again), self.run.field).drop(columns=["u", "v"])

    def table(self) -> pd.DataFrame:
        """The same as `to_frame`."""
        return self.to_frame()

    def save_data(self, *files: str | Path) -> None:
        """The table as CSV, Parquet or NPZ, by each file's ending, with the units in the names of the columns."""
        data.save(self.to_frame(), *files)

    def save_figure(
        self,
        *files: str | Path,
        metric: str = "loss",
        log: bool | None = None,
        relief: bool = False,
        paths: Sequence[Line] = (),
        **how: Unpack[Paper],
    ) -> None:
        """The picture as PDF, SVG or PNG, by each file's ending, drawn without a browser; `relief`: in three dimensions. `Paper` says how. Needs
        `explorer[figures]`."""
        drawn = self.relief(metric, log=log, paths=paths) if relief else self.figure(metric, log=log, paths=paths)
        save_figure(drawn, *files, source=f"run {self.run.id}", **how)

    def save_mesh(self, *files: str | Path, metric: str = "loss", log: bool | None = None) -> None:
        """The relief as .obj, .glb (Blender) or .vtp (ParaView): what was measured, with holes elsewhere, distances to scale (explorer.figures.mesh)."""
        made, name = measured_name(self.run.field, metric), line_figure.y_title(self.run.field, measured_name(self.run.field, metric))
        mesh.save(mesh.mesh(self.seen(made)[0], name, log=metric == "loss" if log is None else log), *files)

    def relief(self, metric: str = "loss", *, log: bool | None = None, paths: Sequence[Line] = ()) -> go.Figure:
        """The plane in three dimensions, to turn around; `log`: heights on a logarithmic scale, by default for the loss. `paths`: as for `figure`."""
        metric = measured_name(self.run.field, metric)
        z_title = line_figure.y_title(self.run.field, metric)
        return landscape.relief(
            self.seen(metric)[0], self.markers(), self._traces(paths), z_title=z_title, log=metric == "loss" if log is None else log
        )

    def _traces(self, paths: Sequence[Line]) -> list[Trace]:
        """Where paths run in the plane. Refused for one that has a corner outside of it."""
        own, t = [c.id for c in self.run.field.corners], np.linspace(0.0, 1.0, 65)
        found: list[Trace] = []
        for path in paths:
            field = path.run.field
            if outside := [c.name or c.id for c in field.corners if c.id not in own]:
                raise Refused(f"A path is drawn in a plane through all its corners; {', '.join(outside)} is not one of this plane's.")
            rows = cast("ChartFunction", registry.find("chart", field.chart.name))(t[:, None], np.eye(len(field.corners)))
            x, y = self.window.frame.places(rows @ np.eye(len(own))[[own.index(c.id) for c in field.corners]]).T
            found.append(Trace(field.chart.name, PALETTE[len(found) % len(PALETTE)], t, x, y))
        return found

    def figure(self, metric: str = "loss", *, log: bool | None = None, paths: Sequence[Line] = ()) -> go.Figure:
        """The plane with its models; `log`: colours on a logarithmic scale, by default for the loss. `paths`: measured paths through corners of this plane."""
        markers, metric = self.markers(), measured_name(self.run.field, metric)
        drawn, certificate = self.seen(metric)
        scale, unit = units.scale(metric), units.of_level(self.run.field.problem, metric)
        sure = certified(certificate, drawn.measured, scale=scale, unit=unit).rstrip(".")
        made = f"{len(self.points)} measured points" if drawn.guess is None else sure
        return plane_figure.figure(
            drawn,
            markers,
            self._traces(paths),
            z_title=line_figure.y_title(self.run.field, metric),
            title=f"{metrics.find(metric).called} in the plane of {', '.join(m.name for m in markers)}",
            footnote=f"{made}, {int(self.points.counts.sum()):,} {self.run.field.split} samples. Distances in weight space are to scale. {self.caution()}".rstrip(),
            log=metric == "loss" if log is None else log,
        )

    def markers(self) -> list[Marker]:
        """The models in the plane; of a plane around a model that one alone."""
        corners = [c for c in self.run.field.corners if self.run.field.chart.name == "plane" or not isinstance(c, Shifted)]
        frame = self.window.frame
        return [Marker(c.name or c.id, float(x), float(y), float(out)) for c, (x, y), out in zip(corners, frame.corners, frame.outside, strict=False)]

    def widget(self, metric: str = "loss", *, log: bool | None = None) -> LivePlane:
        """The plane as a live widget for a notebook: hover for values, click a place to have it in Python. `log` as for `figure`. Needs the extra `notebook`."""
        return live().LivePlane(self.told(metric, log=log), self.model)

    def told(self, metric: str = "loss", *, log: bool | None = None, key: str = "") -> dict[str, Json]:
        """What the widget is told. key: the picture's own; "" for a new one."""
        name, markers = measured_name(self.run.field, metric), self.markers()
        return told.plane(
            self.surface(metric),
            markers,
            [],
            key=key or uuid4().hex,
            z_title=line_figure.y_title(self.run.field, name),
            alt=f"{line_words.called(self.run.field, name)} in the plane of {', '.join(m.name for m in markers)}.",
            log=metric == "loss" if log is None else log,
            caption=f"Click a place; {IN_PYTHON}.",
        )

    def _summary(self) -> Summary:
        return _summaries.of_plane(self)

    def _drawn(self) -> str:
        return still.plane(self.surface(), self.markers(), z_title=line_figure.y_title(self.run.field, "loss"), log=True)

    def _live(self) -> Callable[[], LivePlane]:
        return self.widget


class Paper(TypedDict, total=False):
    """How a figure is drawn for paper. preset: "column" (85 mm), "page" (two columns, 7 in), "slide" (16:9) or "poster"; theme: "light", "dark" or "grey";
    width: in inches, instead of the preset's, with letters as large as before."""

    preset: str
    theme: str
    width: float | None


def save_figure(figure: go.Figure, *files: str | Path, source: str = "", **how: Unpack[Paper]) -> None:
    """Any figure of the explorer as PDF, SVG or PNG, by each file's ending. Refused where matplotlib is missing, or something in it cannot be drawn on paper.

    source: of what it was made, for the file's own description.
    """
    export.save(figure, *files, source=source, **how)


def measured_name(field: Field, metric: str) -> str:
    """What a metric is called in a field: one of somebody's own has the digest of its code behind its name."""
    return next((m for m in metrics.own(field) if metrics.short(m) == metric), metric)


def require_barrier(field: Field, points: Points, metric: str) -> Barrier:
    """The barrier of a field's metric; Refused with the reason when there is none."""
    name = measured_name(field, metric)
    if name not in (known := _summaries.barrier_metrics(field)):
        raise Refused(f"There is no metric {metric!r} here. Measured: {', '.join(map(metrics.short, known))}; metrics={[metric]!r} measures another.")
    if metrics.find(name).good == "" and metrics.is_own(name):
        raise Refused(f"It is not known whether higher or lower values of {metric} are better. Give it as ('high', function) or ('low', function).")
    found = line_metrics.barrier_of(points, field.metrics, name)
    if found is None:
        raise Refused("An end of the path has no finite loss, so there is no straight line to compare with. Check that checkpoint.")
    return found


def caution(field: Field, again: Confirmed | None, doubts: tuple[str, ...]) -> str:
    """What must be known of a preview, and of models whose numbers are doubtful; empty for others."""
    return " ".join([*([line_words.caution(field, again)] if is_preview(field) else []), *doubts])


def model_at(field: Field, at: tuple[float, ...], home: str | Path | None) -> Fused:
    """The recipe of the model at coordinates of a measured field."""
    known = RunStore.within(locations.home(home)).field(field.id)
    if known is None:
        raise Refused(f"What was measured here is no longer in {locations.home(home)}, the folder where results are kept. Measure it again.")
    return recipe_at(field, known.gram, at)


def live() -> ModuleType:
    """What makes live widgets. Refused where anywidget is not installed."""
    if find_spec("anywidget") is None:
        raise Refused("A live widget needs anywidget. Install it: pip install 'explorer[notebook]'. `figure()` draws without it.")
    from explorer.api import widgets

    return widgets


def window_of(field: Field, gram: Array) -> Window:
    """What part of weight space a plane shows; `gram`: its corners' inner products."""
    return cast("Window", registry.find("chart", field.chart.name, function="window")(gram, **field.chart.kwargs()))


def _told(curves: Sequence[Curve], field: Field, metric: str, key: str) -> dict[str, Json]:
    name = measured_name(field, metric)
    return told.curves(
        curves,
        key=key or uuid4().hex,
        x_title=line_figure.x_title(field),
        y_title=line_figure.y_title(field, name),
        x_range=(0.0, 1.0),
        alt=f"{line_words.called(field, name)} along the path: {', '.join(c.name for c in curves)}.",
        does=f"pick a point; {IN_PYTHON}",
    )


def _still(curves: Sequence[Curve], field: Field) -> str:
    return still.curves(curves, x_title=line_figure.x_title(field), y_title=line_figure.y_title(field, "loss"))
