"""How a result shows itself: at the end of a notebook's cell by words, numbers and a picture, in a terminal by words and numbers.

A notebook is given a table and sentences as HTML that stays readable in the saved file, and below it the live picture (explorer.api.widgets) where a
kernel and anywidget are there, else an image. Every text is escaped: names come from checkpoints.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

from explorer.core.markdown import spoken, unescaped
from explorer.figures import still

if TYPE_CHECKING:
    from explorer.api.widgets import Live

SWITCH = "LOSS_EXPLORER_WIDGETS"  # "0": results show an image where they would show a live picture
STYLE = "padding:2px 12px 2px 0;text-align:left"


@dataclass(frozen=True)
class Summary:
    """A result in words: its title; a table, of which the first row is the head; and sentences, in which ** marks what matters."""

    title: str
    table: Sequence[Sequence[str]] = ()
    said: Sequence[str] = ()


class Shown:
    """What a notebook and a terminal show of an object that can be summed up and, perhaps, drawn."""

    def _summary(self) -> Summary:
        raise NotImplementedError

    def _drawn(self) -> str:
        """The picture as SVG, "" for none."""
        return ""

    def _live(self) -> Callable[[], Live] | None:
        """What makes the live picture; None where there is none."""
        return None

    def __repr__(self) -> str:
        return as_text(self._summary())

    def _repr_html_(self) -> str:
        return self._repr_mimebundle_()["text/html"]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        summary = self._summary()
        return {"text/plain": as_text(summary), "text/html": as_html(summary) + _image(self._drawn(), summary.title)}

    def _ipython_display_(self) -> None:
        """Words, then the live picture. NotImplementedError sends IPython on to the bundle."""
        make = self._live() if widgets_show() else None
        if make is None:
            raise NotImplementedError
        summary = self._summary()
        display({"text/plain": as_text(summary), "text/html": as_html(summary)})
        display(make().bundle(_image(self._drawn(), summary.title)))


def as_text(summary: Summary) -> str:
    """For a terminal."""
    widths = [max(map(len, column)) for column in zip(*summary.table, strict=True)]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in summary.table]
    return "\n".join([summary.title, *(f"  {row}" for row in rows), *map(spoken, summary.said)])


def as_html(summary: Summary) -> str:
    """For a notebook, in its own letters and colours."""
    rows = [_row(cells, "td" if i else "th") for i, cells in enumerate(summary.table)]
    said = "".join(f"<p>{_emphasised(one)}</p>" for one in summary.said)
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    return f"<div><strong>{escape(summary.title)}</strong>{table}{said}</div>"


def widgets_show() -> bool:
    """Whether a live picture can be shown: in a kernel, with anywidget, and not switched off."""
    return in_kernel() and find_spec("anywidget") is not None and os.environ.get(SWITCH) != "0"


class _Shell(Protocol):
    kernel: object


def in_kernel() -> bool:
    """Whether this is the kernel of a notebook: of Jupyter, VS Code or Colab."""
    ipython = sys.modules.get("IPython")
    shell = cast("_Shell | None", ipython.get_ipython()) if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def display(bundle: dict[str, object]) -> None:
    """Below the cell that runs."""
    from IPython.display import display as show

    show(bundle, raw=True)


def _image(svg: str, alt: str) -> str:
    return f'<img alt="{escape(alt)}" src="{still.address(svg)}" style="max-width:100%">' if svg else ""


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f'<{tag} style="{STYLE}">{escape(cell)}</{tag}>' for cell in cells) + "</tr>"


def _emphasised(said: str) -> str:
    words = r"((?:\\.|[^*\\])+)"
    strong = re.sub(rf"(?<!\\)\*\*{words}\*\*", r"<strong>\1</strong>", escape(said))
    return unescaped(re.sub(rf"(?<!\\)\*{words}\*", r"<em>\1</em>", strong))
