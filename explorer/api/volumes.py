"""Landscapes of three dimensions and more: around one model along several directions, or between four models and more."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from explorer.api import _measuring
from explorer.api._keywords import Measuring, Model, takes
from explorer.api._result_parts import Paper, measured_name, model_at, save_figure
from explorer.api._shown import Shown, Summary
from explorer.api.topology_result import Topology, axes_of, of_field, places_of
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array, Points, rounded
from explorer.core.spec import Fused, ProblemSpec, Recipe, Run, Shifted
from explorer.figures import data, slices
from explorer.figures import line as line_figure
from explorer.stats import metrics, units

FEWEST = 3  # dimensions; of two there are planes
MOST = 6


@dataclass(frozen=True, repr=False)
class Volume(Shown):
    """A measured box of weight space: K points, and (K, d) places in distances along its axes."""

    run: Run
    points: Points
    places: Array
    gram: Array
    home: str | Path | None = None

    def topology(self, metric: str = "loss") -> Topology:
        """Minima, passes and basins of the measured points, and which of them noise can have made."""
        return of_field(self.run, self.points, self.places, metric, self.home)

    def model(self, *place: float) -> Fused:
        """The model at a place, in distances along the axes, as a recipe: it goes wherever a checkpoint does."""
        if len(place) != self.places.shape[1]:
            raise Refused(f"A place here has {self.places.shape[1]} distances; got {len(place)}.")
        ends = places_of(self.run.field, np.array([np.zeros(len(place)), np.ones(len(place))]), self.gram)
        at = (np.array(place) - ends[0]) / (ends[1] - ends[0])
        return model_at(self.run.field, tuple(map(float, at)), self.home)

    def to_frame(self) -> pd.DataFrame:
        """One row for each point: its distances along the axes, its coordinates u1, u2, …, and the mean of each metric."""
        field = self.run.field
        columns = {name: self.places[:, k] for k, name in enumerate(axes_of(self.places))}
        columns |= {f"u{k + 1}": self.points.coords[:, k] for k in range(self.places.shape[1])}
        columns |= {metrics.short(m): metrics.means(self.points, field.metrics, m) for m in metrics.given(field)}
        return data.frame(columns, field)

    def save_data(self, *files: str | Path) -> None:
        """The table as CSV, Parquet or NPZ, by each file's ending, with the units in the names of the columns."""
        data.save(self.to_frame(), *files)

    def grid(self, metric: str = "loss") -> tuple[Array, list[Array]]:
        """(n₁, …, n_d) values, as they are shown, and the distances along each axis. Refused for points that fill no grid."""
        coords = rounded(self.points.coords)
        shape = [len(np.unique(column)) for column in coords.T]
        if np.prod(shape) != len(coords):
            raise Refused(f"The {len(coords)} points fill no grid, so there are no slices to draw. Measure with size= instead of points=.")
        name = measured_name(self.run.field, metric)
        order = np.lexsort(coords.T[::-1])
        values = units.scale(name) * metrics.means(self.points, self.run.field.metrics, name)
        return values[order].reshape(shape), [np.unique(np.round(column, 9)) for column in self.places.T]

    def figure(self, metric: str = "loss", *, log: bool | None = None) -> go.Figure:
        """Slices side by side on one scale; `log`: by default for the loss. Refused for points that fill no grid."""
        values, axes = self.grid(metric)
        name = measured_name(self.run.field, metric)
        title = line_figure.y_title(self.run.field, name)
        return slices.figure(values, axes, names=axes_of(self.places), z_title=title, log=metric == "loss" if log is None else log)

    def save_figure(self, *files: str | Path, metric: str = "loss", log: bool | None = None, **how: Unpack[Paper]) -> None:
        """The picture as PDF, SVG or PNG, by each file's ending. Needs `explorer[figures]`."""
        save_figure(self.figure(metric, log=log), *files, source=f"run {self.run.id}", **how)

    def _summary(self) -> Summary:
        d, shape = self.places.shape[1], self.topology()
        summary = shape.summary()
        names = ", ".join(c.name or c.id for c in self.run.field.corners[:1])
        return Summary(f"Landscape of {d} dimensions around {names}: {len(self.points)} points", summary.table, summary.said)


@takes(Measuring)
def landscape_volume(
    *models: Model,
    dimensions: int = 3,
    directions: str = "random",
    options: Mapping[str, object] | None = None,
    extent: float | None = None,
    size: int = 7,
    points: int = 0,
    **how: Unpack[Measuring],
) -> Volume:
    """Measure a box of three dimensions or more: around one model, or over four models and more, one dimension fewer than models.

    `dimensions`, `directions`, `options`: around one model, how many of the directions that one of `methods("direct")` finds, and its options.
    `extent`: how far on every side, in lengths of the first direction (1), or of the longest side beyond the models (0.25). `size`: points along each axis; `points`:
    instead so many of a low-discrepancy sequence. What was measured is kept, so that it resumes where it stopped. Refused for other numbers of models.

    >>> box = landscape_volume("sample_models/digits-mlp/seed-0.safetensors", size=3, extent=0.5, samples=100)
    >>> len(box.points), len(box.topology().minima())
    (27, 1)
    """
    if len(models) != 1 and len(models) < FEWEST + 1:
        raise Refused(
            f"A volume is around one model, or over {FEWEST + 1} models or more; got {len(models)}. For fewer dimensions there is landscape."
        )
    d = len(models) - 1 or dimensions
    if not FEWEST <= d <= MOST:
        raise Refused(f"A volume has {FEWEST} to {MOST} dimensions; got {d}. For two there is landscape, or landscape_around.")
    spec, corners = _measuring.brought(models, how, alike=True)
    chart: dict[str, object] = {"around": "all", "extent": 0.25 if extent is None else extent}
    if len(models) == 1:
        corners = _moved(spec, corners[0], directions, options or {}, d)
        chart = {"around": "first", "extent": 1.0 if extent is None else extent}
    sampler = registry.method("sample", "sobol", {"count": points}) if points else registry.method("sample", "grid", {"size": size})
    run = Run(_measuring.field(spec, corners, registry.method("chart", "volume", chart), how), sampler)
    found = _measuring.measured(run, how)
    known = _measuring.store_of(how)[0].field(run.field.id)
    assert known is not None
    return Volume(run, found, places_of(run.field, found.coords, known.gram), known.gram, how["home"])


def _moved(problem: ProblemSpec, model: Recipe, name: str, options: Mapping[str, object], d: int) -> tuple[Recipe, ...]:
    """The model, and it moved along each of d directions."""
    directions = registry.method("direct", name, options)
    if not registry.is_fresh(name):
        raise Refused(f"{name} finds two directions, and another seed the same ones. Choose random, or give {d + 1} models.")
    return Shifted.several(problem, model, directions, d)
