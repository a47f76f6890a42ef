"""A map of many models, for a notebook: which of them lie in one basin, from some of the lines between them."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from explorer.api import _measuring
from explorer.api._keywords import Measuring, Model, takes
from explorer.api._progress import progress_of
from explorer.api._result_parts import Paper, save_figure
from explorer.api._shown import Shown, Summary
from explorer.core import registry, significant_digits
from explorer.core.errors import Refused
from explorer.core.points import Array, Points
from explorer.core.spec import ProblemSpec, Recipe, Run, Study
from explorer.engine.run_study import examine
from explorer.figures import data
from explorer.figures import model_map as figures
from explorer.stats import model_map as maps
from explorer.stats import units
from explorer.stats.model_map import Rises
from explorer.stats.model_pairs import middles

ROUNDS = 5  # times that the next pairs are chosen by what is known


@dataclass(frozen=True, repr=False)
class ModelMap(Shown):
    """Models, the rises in the middles of the lines that were measured between them, and their places on a plane; stress: how much of the rises these miss."""

    run: Run
    points: Points
    rises: Rises
    places: Array
    stress: float
    names: tuple[str, ...]

    @property
    def threshold(self) -> float:
        """The rise below which two models count as connected, unless another is given."""
        ends = self.losses()
        return units.negligible(self.run.field.problem, "loss", (float(np.median(ends)), float(np.median(ends))))

    def losses(self) -> Array:
        """(n,) each model's own loss."""
        alone = self.points.coords.max(axis=1) == self.points.coords.sum(axis=1)
        found = np.empty(len(self.names))
        found[self.points.coords[alone].argmax(axis=1)] = self.points.means()[alone, self.run.field.metrics.index("loss")]
        return found

    def basins(self, threshold: float | None = None) -> list[int]:
        """The number of the basin that each model lies in: joined by lines that surely rise by no more than the threshold."""
        return maps.basins(self.rises, self.threshold if threshold is None else threshold)[0]

    def heights(self) -> Array:
        """(n, n) the lowest rise over which one gets from each model to each, over others; inf where no measured line leads there."""
        return maps.heights(self.rises)

    def figure(self, threshold: float | None = None, *, sizes: Sequence[float] | None = None) -> go.Figure:
        """The map: lines and hulls at a threshold, models in the colour of their loss. sizes: (n,) from 0 to 1, such as sharpness."""
        unit = units.of_gap(self.run.field.problem, "loss")
        return figures.figure(
            self.places,
            self.rises,
            self.names,
            threshold=self.threshold if threshold is None else threshold,
            unit=unit,
            colours=self.losses().tolist(),
            colour_title=units.titled("loss", unit),
            sizes=sizes,
        )

    def save_figure(self, *files: str | Path, threshold: float | None = None, **how: Unpack[Paper]) -> None:
        """The picture as PDF, SVG or PNG, by each file's ending. Needs `explorer[figures]`."""
        save_figure(self.figure(threshold), *files, source=f"run {self.run.id}", **how)

    def to_frame(self) -> pd.DataFrame:
        """One row for each measured pair: the two models, and the rise with its 95 % interval, the lowest first."""
        i, j = np.nonzero(np.triu(np.isfinite(self.rises.value), 1))
        order = np.argsort(self.rises.value[i, j], kind="stable")
        i, j = i[order], j[order]
        ends = {name: getattr(self.rises, part)[i, j] for name, part in (("rise", "value"), ("rise_low", "low"), ("rise_high", "high"))}
        made = pd.DataFrame({"first": [self.names[k] for k in i], "second": [self.names[k] for k in j], **ends})
        unit = units.of_gap(self.run.field.problem, "loss")
        made.attrs["units"] = dict.fromkeys(ends, unit) if unit else {}
        return made

    def save_data(self, *files: str | Path) -> None:
        """The table as CSV, Parquet or NPZ, by each file's ending, with the units in the names of the columns."""
        data.save(self.to_frame(), *files)

    def _summary(self) -> Summary:
        n, measured = len(self.names), len(self.to_frame())
        threshold, every = self.threshold, n * (n - 1) // 2
        sure, perhaps = maps.basins(self.rises, threshold)
        least, most = len(set(perhaps)), len(set(sure))
        counted = f"{most} {'basin' if most == 1 else 'basins'}"
        found = f"**{counted}**" if least == most else f"**between {least} and {counted}**"
        said = [
            f"Joined by lines that rise by at most {significant_digits.number(threshold, 3)}{units.after(units.of_gap(self.run.field.problem, 'loss'))}"
            f" in their middle, the models lie in {found}.",
            f"{measured:,} of {every:,} lines are measured. More of them can join basins, and part none.",
            f"The places miss {self.stress:.0%} of the measured rises: distances on the map are about the roots of these.",
        ]
        return Summary(f"Map of {n} models", [], said)


@takes(Measuring)
def model_map(*models: Model, lines: int = 0, **how: Unpack[Measuring]) -> ModelMap:
    """Measure some of the lines between many models, and place the models by them.

    `lines`: how many in all, and no fewer than those to begin with; 0: eight for each model. First those between models that are near by weights and, where there are classes, by predictions; then, in a
    few rounds, those that may lower the map's passes most. What is measured is kept, and more lines later go on from there. Refused for fewer than three models.

    >>> found = model_map(*(f"sample_models/digits-mlp/seed-{i}.safetensors" for i in range(4)))
    >>> len(found.to_frame()), len(set(found.basins(0.01))), len(set(found.basins(10.0)))
    (6, 4, 1)
    """
    if len(models) < 3:
        raise Refused(f"A map is of three models or more, got {len(models)}. Between two there is interpolate.")
    spec, corners = _measuring.brought(models, how, alike=True)
    n = len(corners)
    most = min(lines or 8 * n, n * (n - 1) // 2)
    field = _measuring.field(spec, corners, registry.method("chart", "mixture"), how)
    distances = _distances(spec, corners, how)
    pairs = maps.first_pairs(distances)
    most = max(most, len(pairs))
    index = field.metrics.index("loss")
    left = ROUNDS
    while True:
        run = Run(field, registry.method("sample", "pairs", {"of": tuple(int(k) for k in pairs.ravel())}))
        points = _measuring.measured(run, how)
        rises = maps.rises(n, pairs, middles(points, pairs, index))
        if len(pairs) >= most:
            break
        pairs = np.concatenate([pairs, maps.next_pairs(rises, distances, -(-(most - len(pairs)) // max(left, 1)))])
        left -= 1
    at, stress = maps.places(rises, distances)
    return ModelMap(run, points, rises, at, stress, tuple(c.name or c.id for c in corners))


def _distances(spec: ProblemSpec, corners: tuple[Recipe, ...], how: Measuring) -> list[Array]:
    """(n, n) distances of the weights; where there are classes, also the shares of samples on which predictions differ."""
    store, home = _measuring.store_of(how)

    def known(name: str, told: str) -> Array:
        with progress_of(how["progress"], told) as progress:
            found = examine(Study(spec, corners, registry.method("study", name)), store, home, device=how["device"], progress=progress)
        return np.array(cast("dict[str, list[list[float]]]", found)["gram" if name == "gram" else "disagree"])

    gram = known("gram", "Measuring distances")
    size = gram.diagonal()
    far = np.sqrt(np.maximum(size[:, None] + size - 2 * gram, 0.0))
    return [far, known("answers", "Comparing predictions")] if registry.labelled(spec.loss) else [far]
