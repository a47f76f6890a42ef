"""What every command does the same: refusals, progress, the store, files to be written, options of a method."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from explorer.commands.print_results import err
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.store.run_store import RunStore


@contextmanager
def refusals() -> Generator[None, None, None]:
    """A refusal is one sentence on standard error and exit code 2, never a traceback; what is logged meanwhile is said there, too."""
    log, handler = logging.getLogger("explorer"), _Said(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    except Refused as refusal:
        err.print(Text.assemble(("✗ ", "red"), str(refusal)), highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    finally:
        log.removeHandler(handler)


class _Said(logging.Handler):
    """Warnings, a line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """On standard error."""
        err.print(f"[yellow]![/yellow] {escape(record.getMessage())}", highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Generator[Callable[[int, int, int, str], bool], None, None]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=quiet, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def report(done: int, total: int, fresh: int, message: str) -> bool:
            progress.update(task, completed=done, total=total, description=message or title)
            return True

        yield report


def store_of(home: Path | None) -> RunStore:
    return RunStore.within(locations.home(home))


def free(file: Path | None, *endings: str) -> None:
    """Refused when a file that is to be written exists, or when its name promises another format than the one that is written, which `endings` have."""
    if file is None:
        return
    if file.suffix.lower() not in endings:
        raise Refused(
            f"{file.name} would hold what files with the ending {endings[0]} hold, and no other format is written. Let its name end in {endings[0]}."
        )
    if file.exists():
        raise Refused(f"{file} exists already. Choose another name, or remove it.")


def given_options(kind: str, name: str, given: list[str]) -> dict[str, object]:
    """`name=value` texts as the options of a method; Refused when a text is not of that form or the value not of that type."""
    known = {o.name: o for o in registry.options(kind, name)}
    found: dict[str, object] = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or key not in known:
            raise Refused(f"--option needs name=value with one of {', '.join(known) or 'no options at all'}; got {text!r}.")
        found[key] = known[key].parse(value)
    return found
