"""Checkpoints inspected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from explorer.checkpoints.sharded import stamp
from explorer.commands.arguments import DequantiseOption, DeviceOption, HomeOption, PluginOption, ProblemOption, TrustOption
from explorer.commands.print_results import interval, out
from explorer.commands.terminal import progress_bar, refusals, store_of
from explorer.core import registry
from explorer.core.model_path import dequantised
from explorer.stats import perplexity


def look(
    path: Annotated[Path, typer.Argument(help="A checkpoint file, or a folder of them.")],
    problem: ProblemOption = None,
    dequantise: DequantiseOption = False,
    device: DeviceOption = "auto",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Inspect a file or folder: which problem it fits, parameters, loss and error."""
    with refusals():
        from explorer.core.spec import Look
        from explorer.engine.inspect_checkpoints import inspect_path
        from explorer.evaluate.devices import device_for
        from explorer.problems import problem_toml

        store, path = store_of(home), dequantised(path, dequantise)
        request = Look(str(path.resolve()), stamp(path), problem_toml.find(problem) if problem else None)
        with progress_bar("Looking") as report:
            found = inspect_path(request, store, report=report, device=device_for(device))
        table = Table("checkpoint", "recognised as", "parameters", "test loss", "test error (%)")
        for file in found.files:
            if file.error:
                table.add_row(file.name, f"[red]{escape(file.error)}[/red]")
            elif (test := file.on("test")) is None:
                free = f"{file.problem.name}: its loss compares two models, and says nothing about one" if file.problem else file.why
                table.add_row(file.name, free, f"{file.parameters:,}")
            else:
                name = file.problem.name if file.problem else ""
                loss = interval(test.loss)
                if file.problem and perplexity.applies(file.problem):
                    value, low, high = map(perplexity.from_loss, test.loss)
                    loss += f"\nperplexity {interval((value, low, high))}"
                right = file.problem is None or registry.classifies(file.problem.loss)
                table.add_row(file.name, name, f"{file.parameters:,}", loss, interval(test.error, 100) if right else "")
        out.print(table)
        for file in found.files:
            for note in file.notes:
                out.print(f"  {escape(file.name)}: {escape(note)}", style="dim", highlight=False, soft_wrap=True)
