"""The store's file: how full it is, what may go, and runs that go from one store to another."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from explorer.commands.arguments import HomeOption
from explorer.commands.print_results import err, out
from explorer.commands.terminal import free, refusals, store_of
from explorer.core.errors import Refused
from explorer.core.spec import Run
from explorer.store.portable import ENDING
from explorer.store.request_titles import title
from explorer.store.run_store import RunStore
from explorer.store.upkeep import shown_size, size_of


def store(
    sweep: Annotated[bool, typer.Option("--sweep", help="Remove points that no listed run needs, and inspections of files that are gone.")] = False,
    compact: Annotated[bool, typer.Option("--compact", help="Give the room that was freed back to the disk; not while something runs.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="List the models that were made for runs of which none is listed any more; with --yes, remove them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what --models lists.")] = False,
    limit: Annotated[
        str,
        typer.Option(
            help="The most that it should use, such as '20 GB'; 'none' for no limit. The points of the oldest runs that nobody pinned go first."
        ),
    ] = "",
    backup: Annotated[Path | None, typer.Option(help="Write the whole store into this new file (.sqlite), while others go on using it.")] = None,
    queue: Annotated[bool, typer.Option("--queue", help="List what is to be done: its id, who asked for it, what it is.")] = False,
    stop: Annotated[list[str] | None, typer.Option(help="Stop the request with this id, whoever asked for it; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Take the request with this id off the list; may be repeated.")] = None,
    unregister: Annotated[list[str] | None, typer.Option(help="Take the checkpoint at this path off the list; may be repeated.")] = None,
    pin: Annotated[list[str] | None, typer.Option(help="Keep the points of this run whatever the limit; may be repeated.")] = None,
    unpin: Annotated[list[str] | None, typer.Option(help="Keep them no longer; may be repeated.")] = None,
    home: HomeOption = None,
) -> None:
    """How much the store holds, and what may go: sweep, compact, limit."""
    with refusals():
        if yes and not models:
            raise Refused("--yes goes with --models. Sweep and limit do what they say without it.")
        kept = store_of(home)
        bound = None if limit in ("", "none") else size_of(limit)
        for id, stays in [(id, True) for id in pin or ()] + [(id, False) for id in unpin or ()]:
            kept.pin(_field_of(kept, id), stays)
        for id in (*(stop or ()), *(remove or ())):
            if kept.status(id) is None:
                raise Refused(f"This store has no request {id}. `loss-explorer runs` and `loss-explorer store --queue` list those it has.")
        for id in stop or ():
            kept.stop(id)
        for id in remove or ():
            if not kept.forget(id):
                raise Refused(f"A worker is at {id}. Stop it first, and remove it when it has laid it down.")
        for path in unregister or ():
            if path not in {facts.path for facts in kept.checkpoints()}:
                raise Refused(f"No checkpoint is registered as {path}. Give the path as the page Checkpoints has it.")
            kept.unregister(path)
        if queue:
            for status in kept.open():
                out.print(
                    f"{status.id}  {status.state:<7}  {status.owner or '-'}  {title(status.request)}", markup=False, highlight=False, soft_wrap=True
                )
        if backup is not None:
            free(backup, ENDING)
            kept.export(backup)
            out.print(f"{backup}: {shown_size(backup.stat().st_size)}", highlight=False, soft_wrap=True)
        if limit:
            kept.bound(bound)
            kept.keep_within_limit()
        with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=err, transient=True) as bar:
            if sweep:
                task = bar.add_task("Sweeping", total=None)
                gone = kept.sweep(lambda done, of: bar.update(task, completed=done, total=of))
                out.print(f"Swept: {shown_size(gone)} of points.", highlight=False)
            if compact:
                task = bar.add_task("Compacting", total=None)
                given = kept.compact(lambda done, of: bar.update(task, completed=done, total=of))
                out.print(f"Compacted: the file is smaller by {shown_size(given)}.", highlight=False)
            if models:
                _models(kept, bar, remove=yes)
        for line in kept.room().said():
            out.print(line, highlight=False, soft_wrap=True)


def _models(kept: RunStore, bar: Progress, *, remove: bool) -> None:
    from explorer.store import made_models

    found = made_models.unneeded(kept)
    size = shown_size(sum(file.bytes for file in found))
    if remove:
        task = bar.add_task("Removing models", total=None)
        gone = made_models.remove(kept, found, lambda done, of: bar.update(task, completed=done, total=of))
        out.print(f"Removed: {shown_size(gone)} of models.", highlight=False)
        return
    for file in found:
        out.print(
            f"{shown_size(file.bytes):>9}  {datetime.fromtimestamp(file.written):%Y-%m-%d}  {file.path.name}  {file.what}",
            highlight=False,
            soft_wrap=True,
        )
    if found:
        out.print(f"{size} of models that no listed run needs. Nothing was removed; --models --yes removes them.", highlight=False, soft_wrap=True)
    else:
        out.print("There is no model that no listed run needs and that is older than a day.", highlight=False)


def export(
    run: Annotated[str, typer.Argument(help="The id of a run, as `loss-explorer runs` prints it.")],
    file: Annotated[Path, typer.Argument(help="The file to write (.sqlite).")],
    home: HomeOption = None,
) -> None:
    """Write one run with all that was measured of it into a file that another person's explorer takes over (import)."""
    with refusals():
        from explorer.store.portable import export_run

        free(file, ENDING)
        export_run(store_of(home), run, file)
        out.print(f"{file}: {shown_size(file.stat().st_size)}", highlight=False, soft_wrap=True)


def import_file(
    file: Annotated[Path, typer.Argument(help="A file that export has written, or a whole store.")],
    home: HomeOption = None,
) -> None:
    """Take over the runs in a file; what is here already stays as it is."""
    with refusals():
        from explorer.store.portable import import_runs

        for id in import_runs(store_of(home), file):
            out.print(id, highlight=False)


def _field_of(kept: RunStore, id: str) -> str:
    """The field of a run. Refused when there is no such run."""
    status = kept.status(id)
    if status is None or not isinstance(status.request, Run):
        raise Refused(f"This store has no run {id}. `loss-explorer runs` lists those it has.")
    return status.request.field.id
