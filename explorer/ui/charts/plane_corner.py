"""What one takes from a plane that stands beside other pictures."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.core.spec import Run
from explorer.figures import landscape, line
from explorer.figures import plane as plane_figure
from explorer.figures.plane import Marker, Surface, Trace
from explorer.stats import metrics, units
from explorer.ui.frame import shell
from explorer.ui.widgets import python_source
from explorer.ui.widgets.chart_actions import corner


def plane_corner(
    run: Run, grid: Surface, markers: Sequence[Marker], traces: Sequence[Trace], *, key: str, metric: str, title: str, footnote: str
) -> None:
    """The corner of the plane with this key; run: what measures it."""
    field = run.field
    corner(
        key=key,
        stem="plane",
        title=title,
        figure=lambda: plane_figure.figure(
            grid, markers, traces, z_title=line.y_title(field, metric), title=title, footnote=footnote, log=metric == "loss"
        ),
        explain=landscape.explain(grid, markers, metric=metrics.find(metric), unit=units.of_level(field.problem, metric), around=False, dimensions=0),
        code=python_source.program(python_source.runs({"plane": run}) + 'print(measured["plane"].means())'),
        compare=lambda: shell.link("landscape", "This plane in Landscape", icon=":material/landscape:", runs=run.id),
    )
