"""The topology of a measured run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from explorer.commands.arguments import HomeOption, MetricOption, PluginOption, TrustOption
from explorer.commands.print_results import out
from explorer.commands.terminal import refusals
from explorer.commands.written import DataOption, unwritten
from explorer.figures.data import FORMS
from explorer.stats import units

if TYPE_CHECKING:  # the command line starts without torch
    from explorer import api

SHOWN = 20  # minima in the table


class Picture(StrEnum):
    """What --figure draws."""

    tree = "tree"
    barcode = "barcode"
    diagram = "diagram"
    profile = "profile"


def topology(
    run: Annotated[
        str, typer.Argument(help="The id of a run, as `loss-explorer runs` prints it; of a plane just measured, `loss-explorer plane --topology`.")
    ],
    metric: MetricOption = "loss",
    against: Annotated[str, typer.Option("--against", help="The id of another run: how far the two persistence diagrams are apart.")] = "",
    data: DataOption = None,
    figure: Annotated[list[Path] | None, typer.Option("--figure", help="Write the picture here (.pdf, .svg, .png); may be repeated.")] = None,
    kind: Annotated[
        Picture,
        typer.Option("--kind", help="What --figure draws: the merge tree, the barcode, the persistence diagram, or a terrain with these valleys."),
    ] = Picture.tree,
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Minima, passes and basins of a measured run, which of them noise can have made, and how rough it is (SMAD)."""
    with refusals():
        unwritten(data, tuple(FORMS), "Data")
        from explorer import api
        from explorer.figures.paper import export

        unwritten(figure, export.ENDINGS, "Figures")
        export.ready(figure or ())
        found = api.topology(run, metric=metric, home=home)
        other = api.topology(against, metric=metric, home=home) if against else None
        print_topology(found)
        if other is not None:
            unit = units.of_gap(found.run.field.problem, found.metric)
            for method in ("bottleneck", "wasserstein"):
                out.print(f"{method} distance to {against}: {found.distance(other, method=method).formatted(unit=unit)}", highlight=False)
        if data:
            found.save_data(*data)
        if figure:
            found.save_figure(*figure, kind=kind.value)


def print_topology(found: api.Topology) -> None:
    """Its minima in a table, and its numbers."""
    summary = found.summary(SHOWN)
    head, *rows = summary.table
    table = Table(*head, title=summary.title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    out.print(table)
    for said in summary.said:
        out.print(said.replace("**", ""), highlight=False)
