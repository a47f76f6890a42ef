"""What all results of a measurement share: figures on paper, names of metrics, barriers, the model at a place, and live widgets."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypedDict, Unpack

import plotly.graph_objects as go

from explorer.api import _summaries
from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Field, Fused
from explorer.figures.paper import export
from explorer.stats import line_metrics, line_words, metrics
from explorer.stats.barriers import Barrier
from explorer.stats.point_recipe import recipe_at
from explorer.stats.preview_confirmation import Confirmed, is_preview
from explorer.store.run_store import RunStore

if TYPE_CHECKING:  # anywidget may not be there
    pass

IN_PYTHON = "with w = result.widget(), w.selected is its place and w.model() the model there"


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
