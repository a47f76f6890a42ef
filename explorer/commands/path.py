"""A trained path."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import JsonOption, MethodOptions, MetricOption
from explorer.commands.print_results import out, print_methods, tell_line
from explorer.commands.shared_options import takes
from explorer.commands.terminal import given_options, progress_bar, refusals
from explorer.commands.written import Drawing
from explorer.core.errors import Refused
from explorer.engine.open_once import open_once
from explorer.stats import metrics


@takes(Drawing)
def path(
    a: Annotated[Path | None, typer.Argument(help="Checkpoint at t = 0.")] = None,
    b: Annotated[Path | None, typer.Argument(help="Checkpoint at t = 1.")] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="How the path is trained; `--method list` shows all methods.")] = "bezier",
    option: MethodOptions = None,
    metric: MetricOption = "loss",
    as_json: JsonOption = False,
    *,
    given: Drawing,
) -> None:
    """Train a path between two checkpoints, and measure the barrier along it."""
    with refusals(), open_once():
        from explorer import api

        if metric == "list":
            out.print(", ".join(metrics.every()))
            return
        if method == "list":
            print_methods("connect", api.paths())
            return
        given.look()
        if a is None or b is None:
            raise Refused("Two checkpoints are needed, for the ends of the path. Name another one.")

        with progress_bar("Training the path", quiet=as_json) as report:
            line = api.connect(
                given.model(a),
                given.model(b),
                method=method,
                method_options=given_options("connect", method, option or []),
                **given.how(report, metric),
            )
            tests = given.on_test_sets(line, report)
        given.write(line, metric)
        tell_line(line, f"{a.name} → {b.name} · {method}", metric=metric, as_json=as_json, tests=tests)
