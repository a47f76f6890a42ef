"""What a figure can be made for: the size and the letters of each purpose, the colours of the paper, the kinds of file."""

from __future__ import annotations

from dataclasses import dataclass

FORMATS = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
DPI = 300  # of a PNG, and of what is embedded as a picture in the others


@dataclass(frozen=True)
class Preset:
    """width, height in inches; without a height a figure is as high as what it shows. points: the size of its plain text."""

    title: str
    width: float
    points: float
    height: float | None = None


PRESETS = {
    "column": Preset("One column", 3.35, 8.0),  # 85 mm
    "page": Preset("Two columns", 7.0, 8.0),
    "slide": Preset("Slide, 16:9", 13.33, 18.0, 7.5),
    "poster": Preset("Poster", 20.0, 28.0),
}


@dataclass(frozen=True)
class Theme:
    """paper: what is behind everything. ink: text. rule: grid lines. grey: whether colours become greys of their luminance."""

    title: str
    paper: str
    ink: str
    rule: str
    grey: bool = False


THEMES = {
    "light": Theme("Light", "#FFFFFF", "#31333F", "#DADCE3"),
    "dark": Theme("Dark", "#0E1117", "#FAFAFA", "#3A3D46"),
    "grey": Theme("Greyscale", "#FFFFFF", "#262626", "#DCDCDC", grey=True),
}
