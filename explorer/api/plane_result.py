"""A measured plane, for a notebook: its points with the numbers and pictures made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast
from uuid import uuid4

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from explorer.api import _summaries
from explorer.api._app import opened
from explorer.api._shown import Shown, Summary
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points
from explorer.core.spec import Field, Fused, Json, Run, Shifted
from explorer.figures import data, landscape, mesh, still, told
from explorer.figures import line as line_figure
from explorer.figures import plane as plane_figure
from explorer.figures.curve import PALETTE
from explorer.figures.plane import Extreme, Marker, Surface, Trace
from explorer.stats import line_words, metrics, units
from explorer.stats.arc_length import ChartFunction
from explorer.stats.certificate_words import certified
from explorer.stats.plane_frame import Window
from explorer.stats.preview_confirmation import Confirmed
from explorer.stats.sparse_grid_surrogate import Certificate

if TYPE_CHECKING:  # anywidget may not be there
    from explorer.api.widgets import LivePlane

from explorer.api._result_parts import IN_PYTHON, Paper, caution, live, measured_name, model_at, save_figure
from explorer.api.results import Line
from explorer.api.topology_result import Topology, of_field


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

    def topology(self, metric: str = "loss") -> Topology:
        """Minima, passes and basins of the measured points, and which of them noise can have made."""
        return of_field(self.run, self.points, self.window.places(self.points.coords), metric, self.home)

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
            footnote=f"{made}, {int(self.points.counts.sum()):,} {self.run.field.measured_on} samples. Distances in weight space are to scale. {self.caution()}".rstrip(),
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

    def told(self, metric: str = "loss", *, log: bool | None = None, key: str = "") -> dict[str, Json | bytes]:
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


def window_of(field: Field, gram: Array) -> Window:
    """What part of weight space a plane shows; `gram`: its corners' inner products."""
    return cast("Window", registry.find("chart", field.chart.name, function="window")(gram, **field.chart.kwargs()))
