"""The page of explorer.api: every public name, described from the running program, in place of the mark on the page."""

from __future__ import annotations

import inspect

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from explorer import api

MARK = "<!-- every public name -->"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with functions, then classes, in place of the mark."""
    if MARK not in markdown:
        return markdown
    found = {name: getattr(api, name) for name in api.__all__}
    functions = [name for name, value in found.items() if inspect.isroutine(value)]
    classes = [name for name, value in found.items() if inspect.isclass(value)]
    others = sorted(found.keys() - {*functions, *classes})
    parts = ["## Functions", *(_said(n, found[n]) for n in functions), "## Classes", *(_said(n, found[n]) for n in classes)]
    parts += ["## Types", *(f"### `{name}` {{ #{name} }}\n\n`{found[name]}`" for name in others)]
    return markdown.replace(MARK, "\n\n".join(parts))


def _said(name: str, value: object) -> str:
    return f"::: {value.__module__}.{value.__qualname__}\n    options:\n      heading: {name}\n      toc_label: {name}"
