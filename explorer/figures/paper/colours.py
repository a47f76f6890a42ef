"""Colours of a figure on another paper: neutral ones turn with the theme, hues are lightened on black, and greys keep the luminance."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Colormap, ListedColormap, to_hex, to_rgb, to_rgba

from explorer.core.points import Array
from explorer.figures.paper.presets import Theme

Colour = tuple[float, float, float, float]
NEUTRAL = 0.2  # of saturation, above which a colour is a hue
LIFT = 0.24  # of ink in a hue on black, as on the page (`color-mix` in curve.css); more where it would not be seen
MARK, TEXT = 3.0, 5.0  # contrast of what is drawn and of what is read, after WCAG 2
STEPS = 256


def parsed(colour: str) -> Colour:
    """Anything that Plotly and CSS call a colour and our figures use, as red, green, blue and opacity from 0 to 1."""
    if found := re.fullmatch(r"rgba?\(([^)]*)\)", colour.replace(" ", "")):
        parts = [float(part) for part in found[1].split(",")]
        red, green, blue = (part / 255 for part in parts[:3])
        return (red, green, blue, parts[3] if len(parts) > 3 else 1.0)
    red, green, blue, opacity = to_rgba(colour)
    return (float(red), float(green), float(blue), float(opacity))


def luminance(colours: Array) -> Array:
    """(..., 3) sRGB from 0 to 1 → (...) the relative luminance of WCAG 2."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def greyed(colour: Colour) -> Colour:
    """The grey of the same luminance."""
    y = float(luminance(np.array(colour[:3])))
    grey = 12.92 * y if y <= 0.0031308 else 1.055 * y ** (1 / 2.4) - 0.055
    return (grey, grey, grey, colour[3])


def on_paper(colour: str, theme: Theme, *, fixed: bool = False, contrast: float = MARK) -> Colour:
    """A colour of the figure as this paper has it. fixed: it lies on something that has the same colours on every paper, such as a heatmap. contrast: that a
    hue has on black at least."""
    red, green, blue, opacity = parsed(colour)
    if theme.grey:
        return greyed((red, green, blue, opacity))
    if theme.paper == "#FFFFFF" or fixed:
        return (red, green, blue, opacity)
    ink, paper = to_rgb(theme.ink), to_rgb(theme.paper)
    if max(red, green, blue) - min(red, green, blue) < NEUTRAL:  # from white, the paper, to black, the ink
        level = (red + green + blue) / 3
        red, green, blue = (i + level * (p - i) for i, p in zip(ink, paper, strict=True))
    else:
        ground = float(luminance(np.array(paper))) + 0.05
        mixed = [(1 - share) * np.array([red, green, blue]) + share * np.array(ink) for share in np.linspace(LIFT, 1.0, 20)]
        red, green, blue = next(m for m in mixed if float(luminance(m)) + 0.05 >= contrast * ground).tolist()
    return (red, green, blue, opacity)


def scale(stops: Sequence[Sequence[object]], theme: Theme, *, reverse: bool = False) -> Colormap:
    """A colour scale of Plotly's, [place, colour] each. On grey paper its luminance; one that does not rise or fall throughout, as those of signed values,
    runs from black to white."""
    places = np.array([float(str(place)) for place, _ in stops])
    colours = np.array([parsed(str(colour))[:3] for _, colour in stops])
    at = np.linspace(0.0, 1.0, STEPS)
    steps = np.stack([np.interp(at, places, colours[:, k]) for k in range(3)], axis=1)
    if reverse:
        steps = steps[::-1]
    if theme.grey:
        rises = np.diff(luminance(steps))
        if (rises > 1e-3).any() and (rises < -1e-3).any():
            steps = np.repeat(at[:, None], 3, axis=1) * 0.94 + 0.03
        else:
            steps = np.array([greyed((*step, 1.0))[:3] for step in steps.tolist()])
    return ListedColormap([to_hex(step) for step in steps.clip(0, 1).tolist()])


def readable(on: Colour) -> str:
    """Black or white, whichever is read on this colour."""
    return "#000000" if float(luminance(np.array(on[:3]))) > 0.179 else "#FFFFFF"
