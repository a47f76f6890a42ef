"""A landscape of three dimensions or more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import MethodOptions, MetricOption
from explorer.commands.print_results import out
from explorer.commands.shared_options import takes
from explorer.commands.terminal import given_options, progress_bar, refusals
from explorer.commands.topology import print_topology
from explorer.commands.written import Drawing
from explorer.core.errors import Refused
from explorer.engine.open_once import open_once
from explorer.stats import metrics

AROUND = "random"


@takes(Drawing)
def volume(
    models: Annotated[list[Path], typer.Argument(help="One checkpoint, or four or more: over n models there are n − 1 dimensions.")],
    around: Annotated[str, typer.Option(help=f"Directions around a single checkpoint; {AROUND} where none are named.")] = "",
    option: MethodOptions = None,
    dimensions: Annotated[int, typer.Option(min=3, max=6, help="Around a single checkpoint.")] = 3,
    extent: Annotated[
        float | None,
        typer.Option(
            help="How far: around one, in lengths of the first direction (1); over several, beyond them, in parts of the longest side (0.25)."
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=2, max=65, help="Points along each axis.")] = 7,
    points: Annotated[int, typer.Option(min=0, help="Instead of a grid, so many points that are spread evenly.")] = 0,
    metric: MetricOption = "loss",
    *,
    given: Drawing,
) -> None:
    """Measure a box of three dimensions or more, around one checkpoint or over several, and its minima and passes."""
    with refusals(), open_once():
        from explorer import api

        if metric == "list":
            out.print(", ".join(metrics.every()))
            return
        given.look()
        if (around or option) and len(models) != 1:
            raise Refused(f"--around and --option are for a single checkpoint; got {len(models)}. Without them the volume is over all of them.")
        directions = around or AROUND
        with progress_bar("Measuring") as report:
            done = api.landscape_volume(
                *(given.model(m) for m in models),
                dimensions=dimensions,
                directions=directions,
                options=given_options("direct", directions, option or []),
                extent=extent,
                size=size,
                points=points,
                **given.how(report, metric),
            )
        out.print(f"{len(done.points)} points in {done.places.shape[1]} dimensions", highlight=False)
        print_topology(done.topology(metric))
        given.write(done, metric)
