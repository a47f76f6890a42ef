"""The barrier on a straight line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import HtmlOption, JsonOption, MetricOption, SamplerOption, sized
from explorer.commands.print_results import out, tell_line
from explorer.commands.shared_options import Previewing, takes
from explorer.commands.terminal import free, progress_bar, refusals
from explorer.stats import metrics


@takes(Previewing)
def barrier(
    a: Annotated[Path, typer.Argument(help="Checkpoint at t = 0.")],
    b: Annotated[Path, typer.Argument(help="Checkpoint at t = 1.")],
    sampler: SamplerOption = "adaptive",
    points: Annotated[
        int | None, typer.Option(min=5, max=1001, help="Size of the grid, or budget of the adaptive sampler \\[default: the sampler's].")
    ] = None,
    metric: MetricOption = "loss",
    as_json: JsonOption = False,
    html: HtmlOption = None,
    *,
    given: Previewing,
) -> None:
    """The loss barrier on the straight line between two checkpoints, with its 95 % interval."""
    with refusals():
        if metric == "list":
            out.print(", ".join(metrics.every()))
            return
        free(html, ".html", ".htm")
        from explorer import api

        with progress_bar("Measuring", quiet=as_json) as report:
            line = api.interpolate(
                given.model(a),
                given.model(b),
                sampler=sampler,
                options=sized(sampler, points),
                **given.how(report, metric),
            )
        tell_line(line, f"{a.name} → {b.name}", metric=metric, html=html, as_json=as_json)
