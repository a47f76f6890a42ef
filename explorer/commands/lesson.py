"""A lesson as a file to hand out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import HomeOption, LessonsOption, PluginOption, TrustOption
from explorer.commands.print_results import err, out
from explorer.commands.terminal import free, refusals
from explorer.core.errors import Refused


def lesson(
    name: Annotated[str, typer.Argument(help="The lesson's name, as in the address of its page; 'list' shows all.")],
    notebook: Annotated[Path | None, typer.Option(help="Write a Jupyter notebook here that carries out its experiment.")] = None,
    worksheet: Annotated[Path | None, typer.Option(help="Write a worksheet here (.html, to be printed) with its answer key.")] = None,
    variant: Annotated[int, typer.Option(help="Which of the lesson's models it is run on, counted from 0.")] = 0,
    home: HomeOption = None,
    lessons: LessonsOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write a lesson as a notebook or as a worksheet with an answer key, for which its experiment is carried out."""
    from explorer import lessons as taught
    from explorer.lessons import _handout

    with refusals():
        known = taught.every()
        if name == "list":
            for one, found in known.items():
                out.print(f"{one}: {found.title}", highlight=False)
            return
        if name not in known:
            raise Refused(f"There is no lesson {name!r}. There are: {', '.join(known)}.")
        if notebook is None and worksheet is None:
            raise Refused("Nothing is to be written. Name a file with --notebook or --worksheet.")
        if not 0 <= variant < len(known[name].variants):
            raise Refused(f"The lesson {name} has {len(known[name].variants)} variants, counted from 0; got {variant}.")
        free(notebook, ".ipynb")
        free(worksheet, ".html", ".htm")
        if notebook is not None:
            notebook.write_text(_handout.notebook(name, known[name], variant), encoding="utf-8")
            err.print(f"Written: {notebook}", highlight=False)
        if worksheet is not None:
            from explorer.api import run_lesson

            worksheet.write_text(_handout.worksheet(known[name], run_lesson(name, variant, home=home)), encoding="utf-8")
            err.print(f"Written: {worksheet}", highlight=False)
