"""The barrier on a straight line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import JsonOption, MetricOption, SamplerOption, sized
from explorer.commands.print_results import out, tell_line
from explorer.commands.shared_options import takes
from explorer.commands.terminal import progress_bar, refusals
from explorer.commands.written import Drawing
from explorer.engine.open_once import open_once
from explorer.stats import metrics


@takes(Drawing)
def barrier(
    a: Annotated[Path, typer.Argument(help="Checkpoint at t = 0.")],
    b: Annotated[Path, typer.Argument(help="Checkpoint at t = 1.")],
    sampler: SamplerOption = "adaptive",
    points: Annotated[
        int | None, typer.Option(min=5, max=1001, help="Size of the grid, or budget of the adaptive sampler \\[default: the sampler's].")
    ] = None,
    metric: MetricOption = "loss",
    as_json: JsonOption = False,
    *,
    given: Drawing,
) -> None:
    """The loss barrier on the straight line between two checkpoints, with its 95 % interval."""
    with refusals(), open_once():
        if metric == "list":
            out.print(", ".join(metrics.every()))
            return
        given.look()
        from explorer import api

        with progress_bar("Measuring", quiet=as_json) as report:
            line = api.interpolate(
                given.model(a),
                given.model(b),
                sampler=sampler,
                options=sized(sampler, points),
                **given.how(report, metric),
            )
            tests = given.on_test_sets(line, report)
        given.write(line, metric)
        tell_line(line, f"{a.name} → {b.name}", metric=metric, as_json=as_json, tests=tests)
