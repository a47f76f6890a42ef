"""Measured paths, for a notebook, and models after an alignment: their points with the numbers and pictures made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack
from uuid import uuid4

import pandas as pd
import plotly.graph_objects as go

from explorer.api import _summaries
from explorer.api._app import opened
from explorer.api._shown import Shown, Summary
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Aligned, Field, Fused, Json, Run
from explorer.figures import curve as curve_figure
from explorer.figures import data, matching, still, told
from explorer.figures import line as line_figure
from explorer.figures.curve import Curve
from explorer.stats import line_metrics, line_words, metrics
from explorer.stats.barriers import Barrier, Verdict
from explorer.stats.hidden_peaks import Hidden, hidden
from explorer.stats.intervals import Estimate
from explorer.stats.preview_confirmation import Confirmed
from explorer.symmetry.alignment_report import Matched

if TYPE_CHECKING:  # anywidget may not be there
    from explorer.api.widgets import LiveCurve

from explorer.api._result_parts import IN_PYTHON, Paper, caution, live, measured_name, model_at, require_barrier, save_figure


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
