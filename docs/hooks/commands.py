"""Every command with its options, in place of the mark on the page of the command line: what `--help` says, read from the program itself."""

from __future__ import annotations

import re

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from explorer.commands.main import app

MARK = "<!-- every command -->"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with the commands in place of the mark."""
    return markdown.replace(MARK, "\n\n".join(commands())) if MARK in markdown else markdown


def commands() -> list[str]:
    """One section for each command, in the order in which the help lists them."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return [section(f"loss-explorer {name}", command) for name, command in group.commands.items() if isinstance(command, TyperCommand)]


def section(name: str, command: TyperCommand) -> str:
    """Help, usage and parameters of a command."""
    usage = command.get_usage(command.make_context(name, [], resilient_parsing=True)).removeprefix("Usage: ")
    rows = [row(p) for p in command.params if isinstance(p, TyperArgument | TyperOption) and not p.hidden]
    table = ["| argument or option | default | what it is |", "|---|---|---|", *rows]
    return "\n\n".join([f"### `{name}`", text(command.help), f"```text\n{usage}\n```", "\n".join(table)])


def row(parameter: TyperArgument | TyperOption) -> str:
    """A line of the table."""
    names = [parameter.name.upper()] if isinstance(parameter, TyperArgument) and parameter.name else [*parameter.opts, *parameter.secondary_opts]
    default = "" if parameter.default in (None, False, "", [], ()) or callable(parameter.default) else f"`{parameter.default}`"
    return f"| {', '.join(f'`{n}`' for n in names)} | {default} | {text(parameter.help).replace('|', '&#124;')} |"


def text(help_text: str | None) -> str:
    """A help text as Markdown: the terminal's marks undone, line breaks inside of a paragraph joined, stars and angles as they are."""
    plain = (help_text or "").replace("\\[", "[").replace("\b", "")
    parts = re.split(r"(`[^`]*`)", re.sub(r"(?<!\n)\n(?!\n)", " ", plain).strip())
    return "".join(p if p.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", p) for p in parts)
