"""The network of two neurons to play with: its landscape, what it computes, and a point to drag. Drawn by `frontend/neurons.js`, without Python."""

from __future__ import annotations

from explorer.figures.plane import SCALE
from explorer.figures.told import shades
from explorer.lessons import two_neurons
from explorer.ui.charts.component import register

COLOURS = shades(SCALE)


def neurons(*, key: str) -> None:
    """Draw it; the point stays where the person put it."""
    _renderer(
        key=key,
        data={
            "key": key,
            "inputs": two_neurons.INPUTS.tolist(),
            "teacher": list(two_neurons.TEACHER),
            "low": two_neurons.LOW,
            "high": two_neurons.HIGH,
            "rate": two_neurons.RATE,
            "start": [2.6, 2.2],
            "colours": COLOURS,
            "alt": "The loss of a network of two neurons over its two weights. Two minima mirror each other. Arrow keys move the point.",
        },
    )


_renderer = register("neurons")
