"""The files that a command writes of what it found: pictures, data, a mesh. Their names are looked at before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.commands.shared_options import Measuring, Previewing
from explorer.commands.terminal import free
from explorer.figures.data import FORMS, form_of
from explorer.figures.paper import export
from explorer.figures.paper.presets import PRESETS, Preset

if TYPE_CHECKING:  # the command line starts without torch
    import plotly.graph_objects as go

    from explorer.api._result_parts import Paper
    from explorer.api.plane_result import Plane
    from explorer.api.results import Line, Pair
    from explorer.api.volumes import Volume


class For(StrEnum):
    """As PRESETS."""

    column = "column"
    page = "page"
    slide = "slide"
    poster = "poster"


class Under(StrEnum):
    """As THEMES."""

    light = "light"
    dark = "dark"
    grey = "grey"


def _sized(one: Preset) -> str:
    return f"{one.width:g} in" if one.height is None else f"{one.width:g} × {one.height:g} in"


FigureOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--figure", "--html", help="Write the picture here: .pdf, .svg or .png for a paper or a slide, .html for an interactive one; may be repeated."
    ),
]
PresetOption = Annotated[
    For, typer.Option("--preset", help="What --figure is for: " + "; ".join(f"{name}, {_sized(one)}" for name, one in PRESETS.items()) + ".")
]
ThemeOption = Annotated[
    Under, typer.Option("--theme", help="The background of --figure; every figure stays readable in grey, and grey draws it in greys.")
]
WidthOption = Annotated[float | None, typer.Option("--width", help="Width of --figure in inches, instead of the preset's.")]
DataOption = Annotated[
    list[Path] | None, typer.Option("--data", "--csv", help=f"Write the numbers here, as {', '.join('.' + f for f in FORMS)}; may be repeated.")
]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What is to be written."""

    figure: FigureOption = None
    preset: PresetOption = For.column
    theme: ThemeOption = Under.light
    width: WidthOption = None
    data: DataOption = None

    def look(self) -> None:
        """Refused where a file exists, has an ending that is not written, or nothing is there to draw it."""
        unwritten(self.figure, export.ENDINGS, "Figures")
        unwritten(self.data, tuple(FORMS), "Data")
        export.ready(self.figure or ())

    def write(self, found: Line | Pair | Plane | Volume, metric: str = "loss", figure: go.Figure | None = None) -> None:
        """Write all of it. figure: another picture of it than its own."""
        if self.figure:
            how: Paper = {"preset": self.preset, "theme": self.theme, "width": self.width}
            if figure is None:
                found.save_figure(*self.figure, metric=metric, **how)
            else:
                export.save(figure, *self.figure, **how)
        if self.data:
            found.save_data(*self.data)


def unwritten(files: Sequence[Path] | None, endings: Sequence[str], what: str) -> None:
    """Refused where one of these files exists, or ends otherwise."""
    for file in files or ():
        free(file, f".{form_of(file, endings, what)}")


@dataclass(frozen=True, kw_only=True)
class Drawing(Written, Previewing):
    """Of whatever measures a picture, which may be a preview."""


@dataclass(frozen=True, kw_only=True)
class DrawingExactly(Written, Measuring):
    """Of whatever measures a picture."""
