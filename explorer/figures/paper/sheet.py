"""The sheet that is drawn on: measured in the pixels that Plotly lays figures out in, from the upper left, however large they become in print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

from explorer.figures.paper.colours import Colour, on_paper
from explorer.figures.paper.presets import Theme

PAD = 8.0  # px that stay free at every edge
SPACING = 1.25  # of lines of text
MEASURED = 144  # dpi at which texts are measured; without hinting they are as wide at any other


class Box(NamedTuple):
    """In px, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def meets(self, other: Box) -> bool:
        """Whether the two have a place in common."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


def union(boxes: Sequence[Box]) -> Box:
    """The least box around all."""
    return Box(min(b.left for b in boxes), min(b.top for b in boxes), max(b.right for b in boxes), max(b.bottom for b in boxes))


@dataclass
class Sheet:
    """width, height in px; k: points of a px. `placed`: what must lie on the sheet."""

    width: float
    height: float
    k: float
    theme: Theme
    placed: list[Box] = field(default_factory=list[Box])

    def __post_init__(self) -> None:
        self.figure = Figure(figsize=(self.width * self.k / 72, self.height * self.k / 72), dpi=MEASURED, facecolor=self.theme.paper)
        self._dots = self.k * MEASURED / 72  # of the renderer, a px
        self._canvas = FigureCanvasAgg(self.figure)
        self._renderer = self._canvas.get_renderer()
        self.px = Affine2D().scale(self.k / 72, -self.k / 72).translate(0, self.height * self.k / 72) + self.figure.dpi_scale_trans

    def axes(self, box: Box) -> Axes:
        """Bare axes in a box; what is drawn in them is cut at its edges."""
        ax = self.figure.add_axes((box.left / self.width, 1 - box.bottom / self.height, box.width / self.width, box.height / self.height))
        ax.set_axis_off()
        self.placed.append(box)
        return ax

    def measured(self, text: str, size: float, *, bold: bool = False) -> float:
        """The width of a line of text in px."""
        font = FontProperties(size=size * self.k, weight="bold" if bold else "normal")
        return self._renderer.get_text_width_height_descent(text, font, False)[0] / self._dots

    def wrapped(self, text: str, size: float, width: float) -> list[str]:
        """Text in lines that are at most that wide, if no word is wider."""
        rows = [""]
        for word in text.split(" "):
            longer = f"{rows[-1]} {word}" if rows[-1] else word
            if rows[-1] and self.measured(longer, size) > width:
                rows.append(word)
            else:
                rows[-1] = longer
        return rows

    def write(
        self,
        rows: Sequence[str],
        x: float,
        y: float,
        *,
        size: float,
        colour: Colour | None = None,
        across: str = "left",
        down: str = "top",
        bold: bool = False,
        turned: float = 0.0,
        halo: bool = False,
        order: float = 6.0,
        align: str = "",
    ) -> Box:
        """Lines of text with this place at the named side of their box ("left", "center", "right"; "top", "center", "bottom"), and that box.

        halo: with paper around its letters. turned: degrees to the left.
        """
        text = Text(
            x,
            y,
            "\n".join(rows),
            fontsize=size * self.k,
            color=colour or on_paper(self.theme.ink, self.theme, fixed=True),
            ha=across,
            va=down,
            weight="bold" if bold else "normal",
            rotation=turned,
            rotation_mode="anchor" if turned not in (0.0, 90.0) else "default",
            linespacing=SPACING,
            parse_math=False,
            zorder=order,
        )
        text.set_multialignment(align or across)  # pyright: ignore[reportArgumentType]  (checked by matplotlib)
        if halo:
            text.set_path_effects([withStroke(linewidth=3.5 * self.k, foreground=self.theme.paper)])
        self.add(text)
        return self.extent(text)

    def add(self, artist: Artist) -> None:
        """Something whose places are px of the sheet."""
        artist.set_transform(self.px)
        self.figure.add_artist(artist)

    def stroke(self, xs: Sequence[float], ys: Sequence[float], *, width: float, colour: Colour, order: float = 6.0, **how: object) -> None:
        """A line through places in px. how: more of matplotlib's, of a line."""
        self.add(Line2D(xs, ys, linewidth=width * self.k, color=colour, zorder=order, **how))  # pyright: ignore[reportArgumentType]

    def block(self, box: Box, colour: Colour, order: float = 6.0) -> None:
        """A box filled with a colour."""
        self.add(Rectangle((box.left, box.top), box.width, box.height, facecolor=colour, edgecolor="none", zorder=order))

    def extent(self, artist: Artist) -> Box:
        """Where it is, noted as something that must lie on the sheet."""
        found, dots = artist.get_window_extent(self._renderer), self._dots
        box = Box(found.x0 / dots, self.height - found.y1 / dots, found.x1 / dots, self.height - found.y0 / dots)
        self.placed.append(box)
        return box
