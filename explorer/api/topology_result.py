"""The topology of measured points, for a notebook: minima, passes, basins, and how certain they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, Unpack, cast, get_args

import pandas as pd
import plotly.graph_objects as go

from explorer.api._result_parts import Paper, measured_name, model_at, save_figure
from explorer.api._shown import Shown, Summary
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points
from explorer.core.spec import Field, Fused, Run
from explorer.figures import data, landscape_profile
from explorer.figures import topology as figures
from explorer.stats import line_words, metrics, units
from explorer.stats.field_topology import Basin, FieldTopology, basins, of_points, scaled
from explorer.stats.intervals import Estimate
from explorer.stats.plane_frame import Window
from explorer.stats.topology_certainty import distances
from explorer.store.run_store import RunStore

MANY = 12  # minima in a summary
Drawn: TypeAlias = Literal["tree", "barcode", "diagram", "profile"]


@dataclass(frozen=True, repr=False)
class Topology(Shown):
    """Minima of measured points, the passes between them and their basins; numbers speak of those that noise cannot have made (docs/topology.md)."""

    run: Run
    metric: str
    found: FieldTopology
    home: str | Path | None = None

    def minima(self, *, real: bool = True) -> list[Basin]:
        """The most persistent first; `real=False`: also those that noise can have made."""
        return [b for b in basins(self.found, scale=self._scale) if b.real or not real]

    def smad(self, *, normalised: bool = False, weighted: bool = False) -> Estimate:
        """How far a minimum lies below the first pass out of it, on average. normalised: as a share of the values' range; weighted: times its basin's share."""
        if normalised and weighted:
            raise Refused("SMAD is either normalised or weighted. Give one of the two.")
        return self.found.topology.normalised_smad() if normalised else scaled(self.found.topology.smad(weighted=weighted), self._scale)

    def persistence_range(self) -> Estimate:
        """The longest climb to a deeper minimum less the shortest."""
        return scaled(self.found.topology.persistence_range(), self._scale)

    def distance(self, other: Topology, *, method: Literal["bottleneck", "wasserstein"] = "bottleneck") -> Estimate:
        """How different the two persistence diagrams are, in the metric's unit: explorer.stats.diagram_distance."""
        if self.metric != other.metric:
            raise Refused(f"Topologies of one metric are compared; got {self.metric} and {other.metric}.")
        return scaled(distances(self.found.topology, other.found.topology)[0 if method == "bottleneck" else 1], self._scale)

    def model(self, number: int = 0) -> Fused:
        """The model at a minimum, in the order of the table, as a recipe: it goes wherever a checkpoint does."""
        lowest = self.found.topology.whole.lowest
        if not 0 <= number < len(lowest):
            raise Refused(f"There are {len(lowest)} minima, numbered from 0; got {number}.")
        return model_at(self.run.field, tuple(map(float, self.found.coords[lowest[number]])), self.home)

    def to_frame(self) -> pd.DataFrame:
        """One row for each minimum: its distances, value, climb and pass, each with its interval, its basin's share of the points, and whether it is real."""
        made = pd.DataFrame(figures.table(basins(self.found, scale=self._scale), axes_of(self.found.places)))
        known = (("value", self._unit), ("climb", figures.gap(self._unit)))
        made.attrs["units"] = {c: unit for c in made.columns for begin, unit in known if c.startswith(begin) and unit}
        return made

    def table(self) -> pd.DataFrame:
        """The same as `to_frame`."""
        return self.to_frame()

    def save_data(self, *files: str | Path) -> None:
        """The table as CSV, Parquet or NPZ, by each file's ending, with the units in the names of the columns."""
        data.save(self.to_frame(), *files)

    def figure(self, kind: Drawn = "tree") -> go.Figure:
        """The merge tree, the barcode, the persistence diagram, or the profile of a terrain whose valleys are as deep as the minima and as wide as their basins."""
        listed, unit = basins(self.found, scale=self._scale), self._unit
        if kind == "profile":
            return landscape_profile.figure(self.found, listed, unit=unit, scale=self._scale)
        draw = {"tree": figures.tree, "barcode": figures.barcode, "diagram": figures.diagram}
        if kind not in draw:
            raise Refused(f"A topology is drawn as {', '.join(get_args(Drawn))}; got {kind!r}.")
        return draw[kind](listed, unit=unit)

    def save_figure(self, *files: str | Path, kind: Drawn = "tree", **how: Unpack[Paper]) -> None:
        """The picture as PDF, SVG or PNG, by each file's ending. Needs `explorer[figures]`."""
        save_figure(self.figure(kind), *files, source=f"run {self.run.id}", **how)

    @property
    def _scale(self) -> float:
        return units.scale(self.metric)

    @property
    def _unit(self) -> str:
        return units.of_level(self.run.field.problem, self.metric)

    def _summary(self) -> Summary:
        return self.summary()

    def summary(self, most: int = MANY) -> Summary:
        """What it shows of itself: `most` minima, and the numbers of the whole."""
        field, listed = self.run.field, basins(self.found, scale=self._scale)
        said = figures.words(self.found, listed, unit=self._unit, scale=self._scale).split("\n\n")
        head = ("minimum at", "value", "climb to a deeper one", "share of points", "real")
        rows = [
            (
                ", ".join(f"{c:.3g}" for c in b.place),
                b.value.formatted(unit=self._unit),
                b.climb.formatted(unit=figures.gap(self._unit)) if b.into is not None else "none",
                f"{b.share:.0%}",
                "yes" if b.real else "no",
            )
            for b in listed[:most]
        ]
        told = figures.told_numbers(self.found, unit=self._unit, scale=self._scale)
        title = f"Topology of the {line_words.called(field, self.metric)} at {len(self.found.coords)} points"
        return Summary(title, [head, *rows], [said[0], *(f"{name}: {value}" for name, value in told.items()), said[-1]])


def topology(run: Run | str, *, metric: str = "loss", home: str | Path | None = None) -> Topology:
    """The topology of what is measured of a run of any number of coordinates, by its id or itself. Nothing is measured.

    `metric`: which one's minima; of accuracy and other metrics that are good when high, the error's or the loss's are to be asked for. Refused for a run that
    is not in the store, or of which no point is.

    >>> plane = landscape(*(f"sample_models/digits-mlp/seed-{i}.safetensors" for i in range(3)), size=9)
    >>> shape = topology(plane.run)
    >>> len(shape.minima()), f"{shape.smad().value:.1f} nats"
    (3, '0.4 nats')
    """
    store = RunStore.within(locations.home(home))
    if isinstance(run, str):
        status = store.status(run)
        if status is None or not isinstance(status.request, Run):
            raise Refused(f"This store has no run {run}. `loss-explorer runs` lists those it has.")
        run = status.request
    field, known = run.field, store.field(run.field.id)
    points = store.points(field.id)[0]
    if known is None or not len(points):
        raise Refused(f"Nothing is measured of run {run.id} yet. Measure it first: its topology is read off its points.")
    return of_field(run, points, places_of(field, points.coords, known.gram), metric, home)


def of_field(run: Run, points: Points, places: Array, metric: str, home: str | Path | None) -> Topology:
    """The same of points at hand and their (K, d) distances along the axes. Refused for a metric whose low values are not the good ones, or that is not measured."""
    field, name = run.field, measured_name(run.field, metric)
    wanted = metrics.find(name)
    if wanted.good == "high" or wanted.exponential:
        instead = "error" if wanted.percent else "loss"
        raise Refused(f"A topology is of a metric whose minima matter; of the {wanted.called}, ask for the {instead}.")
    if name not in (given := metrics.given(field)):
        raise Refused(f"Run {run.id} was not measured for {metric!r}, only for {', '.join(map(metrics.short, given))}.")
    return Topology(run, name, of_points(metrics.column(points, field.metrics, name), places), home)


def places_of(field: Field, coords: Array, gram: Array) -> Array:
    """(K, d) distances along the axes; of a chart without distances, as of a mixture, the coordinates themselves."""
    chart = field.chart
    if registry.has_window(chart.name):
        box = registry.find("chart", chart.name, function="window")
    elif registry.is_volume(chart.name):
        box = registry.find("chart", chart.name, function="box")
    else:
        return coords
    return cast("Window", box(gram, **chart.kwargs())).places(coords)


def axes_of(places: Array) -> tuple[str, ...]:
    """What the axes of (K, d) places are called."""
    d = places.shape[1]
    return ("x", "y", "z")[:d] if d <= 3 else tuple(f"x{i + 1}" for i in range(d))
