"""Models trained here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import MethodOptions
from explorer.commands.print_results import err, out, print_methods
from explorer.commands.shared_options import Computing, takes
from explorer.commands.terminal import given_options, progress_bar, refusals
from explorer.core import registry
from explorer.core.errors import Refused, Stopped


@takes(Computing)
def train(
    problem: Annotated[str, typer.Argument(help="A shipped problem's name, or a folder with a problem.toml.")] = "",
    out_folder: Annotated[Path | None, typer.Option("--out", help="Where to write the checkpoints; created when missing.")] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="How it is trained; `--method list` shows all methods.")] = "sgd",
    option: MethodOptions = None,
    start: Annotated[Path | None, typer.Option(help="A checkpoint to start from, instead of initial weights.")] = None,
    every: Annotated[int, typer.Option(min=0, help="Write one of every so many snapshots; 0 writes the last only.")] = 0,
    *,
    given: Computing,
) -> None:
    """Train a problem's network, and write its checkpoints. After Ctrl-C the same command resumes from there."""
    with refusals():
        if method == "list":
            print_methods("train", registry.names("train"))
            return
        if not problem or out_folder is None:
            raise Refused(
                "A problem and --out are needed: `loss-explorer train digits-mlp --out my-models`. `loss-explorer problems` lists what ships."
            )
        from explorer.commands.training import train_into

        try:
            with progress_bar("Training") as report:
                files = train_into(
                    out_folder,
                    problem,
                    method=method,
                    options=given_options("train", method, option or []),
                    start=given.model(start) if start else None,
                    every=every,
                    home=given.home,
                    device=given.on(),
                    report=report,
                    warn=partial(err.print, style="yellow"),
                )
        except Stopped as stop:
            err.print(str(stop), highlight=False, soft_wrap=True)
            raise typer.Exit(130) from None
        for file in files:
            out.print(f"{file}", highlight=False, soft_wrap=True)
