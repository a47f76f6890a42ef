"""Checkpoints inspected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from explorer.checkpoints.sharded import stamp
from explorer.commands.arguments import ProblemOption
from explorer.commands.print_results import interval, out
from explorer.commands.shared_options import Computing, takes
from explorer.commands.terminal import progress_bar, refusals, store_of
from explorer.core import registry, splits
from explorer.core.importing import imported
from explorer.core.model_path import resolved
from explorer.stats import perplexity
from explorer.store.records import Facts


@takes(Computing)
def look(
    path: Annotated[Path, typer.Argument(help="A checkpoint file, or a folder of them.")],
    problem: ProblemOption = None,
    symmetry: Annotated[
        bool, typer.Option("--symmetry", help="Find out which axes can be permuted, however large the network is; this may take a minute.")
    ] = False,
    *,
    given: Computing,
) -> None:
    """Inspect a file or folder: which problem it fits, parameters, loss and error."""
    with refusals():
        with imported():
            from explorer.core.spec import Look
            from explorer.engine.inspect_checkpoints import inspect_path
            from explorer.problems import problem_toml

        store, path = store_of(given.home), given.model(path)
        request = Look(str(resolved(path)), stamp(path), problem_toml.find(problem) if problem else None, symmetry)
        with progress_bar("Looking") as report:
            found = inspect_path(request, store, report=report, device=given.on())
        table = Table("checkpoint", "recognised as", "parameters", "test loss", "test error (%)")
        for said, those in by_sentence(found.files).items():
            names, refused = "\n".join(f.name for f in those), any(f.error for f in those)
            sizes = "\n".join(f"{f.parameters:,}" if f.parameters else "" for f in those)
            table.add_row(names, Text(said, style="red" if refused else ""), sizes)
        for file in found.files:
            for split in splits.tests(file.problem) if file.problem is not None else ("test",):
                if (test := file.on(split)) is None:
                    continue
                loss = interval(test.loss)
                if file.problem and perplexity.applies(file.problem):
                    value, low, high = map(perplexity.from_loss, test.loss)
                    loss += f"\nperplexity {interval((value, low, high))}"
                right = file.problem is None or registry.classifies(file.problem.loss)
                error = interval(test.error, 100) if right else ""
                if split == "test":
                    table.add_row(file.name, file.problem.name if file.problem else "", f"{file.parameters:,}", loss, error)
                else:
                    table.add_row("", f"on {splits.called(split)}", "", loss, error)
        out.print(table)
        for said, sentences in dict.fromkeys((s, tuple(each)) for s, each in (f.fixed() for f in found.files) if s):
            out.print(Text("\n  ".join((said, *sentences)), style="dim"), highlight=False, soft_wrap=True)
        for file in found.files:
            for doubt in file.doubts():
                out.print(Text(doubt, style="yellow"), highlight=False, soft_wrap=True)
        for file in found.files:
            for old, new in file.renaming.names if file.renaming is not None else ():
                out.print(Text(f"  {file.name}: {old} → {new}"), highlight=False, soft_wrap=True)
            for note in file.notes:
                out.print(Text(f"  {file.name}: {note}", style="dim"), highlight=False, soft_wrap=True)


def by_sentence(files: Sequence[Facts]) -> dict[str, list[Facts]]:
    """Those of which no loss is known, by what is to be said of them: the same is said once, of all."""
    found: dict[str, list[Facts]] = {}
    for file in files:
        if file.on("test") is None:
            free = f"{file.problem.name}: its loss compares two models, and says nothing about one" if file.problem else file.why
            found.setdefault(file.error or file.unmeasured or free, []).append(file)
    return found
