"""The lessons' moving pictures: toy landscapes to walk over, bend a curve in and merge on, a soup to pour, signs that vote. Drawn by `frontend/toys.js`,
without Python.

Three of them have two weights and are computed from a formula, and one has six; none of those is a measurement. The soup shows measured losses alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.points import Array, Points
from explorer.core.spec import Json
from explorer.lessons import _toys, more_than_order, two_neurons
from explorer.lessons._read import LOSS
from explorer.stats.barriers import band
from explorer.ui.charts.component import register
from explorer.ui.charts.neurons import COLOURS


def walk(*, key: str) -> None:
    """SGD from two seeds over the landscape of two neurons, with noise and rate to set, the line between the two, and a ball with momentum."""
    _draw(
        "walk",
        key,
        "Two trainings by SGD and a ball with momentum on the loss of two neurons.",
        (
            "Run it. Both walkers start near the ridge between two minima: do they end in one? Try two new seeds.",
            "Drag the start far from the ridge and run again: what becomes of the barrier between A and B?",
            "Set the noise to 0. Then let it grow, and watch where the walkers come to rest.",
            "Raise the momentum of the ball: it swings past the bottom and comes back.",
        ),
        inputs=two_neurons.INPUTS.tolist(),
        teacher=list(two_neurons.TEACHER),
        start=[1.2, 1.25],
        rate=0.1,
        noise=0.4,
        momentum=0.9,
        low=-0.5,
        high=3.0,
        names=["w₁", "w₂"],
        soft=0.02,
    )


def bend(*, key: str) -> None:
    """A Bézier curve over the landscape of `more_than_order`, pulled by hand or trained."""
    _draw(
        "bend",
        key,
        "A Bézier curve between two minima of a loss of two weights, and the loss along it.",
        (
            "Pull the bend until the curve lies in the valley (dotted). How low can you get its highest loss?",
            "Train the bend: gradient descent on the mean loss of the curve. Does it beat you?",
            "Where does the bend lie, and where the curve? The curve does not pass through it.",
        ),
        mean=float((more_than_order.POSITIVE**2).mean()),
        ends=[list(end) for end in _toys.ENDS],
        bend=list(_toys.BEND),
        low=0.0,
        high=3.6,
        names=["w", "v"],
        soft=0.02,
    )


def ellipses(*, key: str) -> None:
    """Two quadratic losses, their mean, Fisher mean and the minimum of their sum."""
    _draw(
        "ellipses",
        key,
        "Two quadratic losses of two weights and three ways to merge their minima.",
        (
            "Press “Along the axes”: the Fisher mean falls on the minimum of the sum.",
            "Turn B step by step: the Fisher mean knows how steep each axis is, and not the slant.",
            "Make both ellipses circles of one size: all three agree.",
        ),
        ellipses=[{"at": list(e.at), "along": list(e.along), "across": e.across} for e in _toys.ELLIPSES],
        low=-3.0,
        high=3.0,
        names=["θ₁", "θ₂"],
        soft=0.3,
    )


def pour(names: Sequence[str], soups: Points, *, key: str) -> None:
    """A soup of these models with weights to drag. soups: the measured mixtures of them in equal shares, all 2ⁿ − 1; ValueError when one is missing."""
    shares = soups.coords > 0
    bits = (shares * 2 ** np.arange(len(names))).sum(axis=1)
    level = np.array([np.ptp(row[row > 0]) < 1e-9 for row in soups.coords])
    place = {int(b): k for k, b in enumerate(bits) if level[k]}
    wanted = range(1, 2 ** len(names))
    if missing := [b for b in wanted if b not in place]:
        raise ValueError(f"Expected a measured soup of every subset of {len(names)} models; {len(missing)} of {len(wanted)} are missing.")
    rows = [place[b] for b in wanted]
    low, high = band(soups, LOSS)
    _draw(
        "pour",
        key,
        "A soup of measured models: drag how much of each goes in.",
        (
            "Pull one model out of the soup of all. Whose absence helps?",
            "Find a soup that is better than each of the eight alone.",
            "Pour two models, and move slowly from the one to the other.",
        ),
        names=list(names),
        loss=_finite(soups.means()[rows, LOSS]),
        low=_finite(low[rows]),
        high=_finite(high[rows]),
    )


def vote(*, key: str) -> None:
    """TIES on six weights of three models: trim, elect, merge."""
    _draw(
        "vote",
        key,
        "Three models' changes of six weights, trimmed, their signs elected, and merged.",
        (
            "Play it: small changes are trimmed, each weight elects a sign, and what has that sign is averaged.",
            "Where do TIES and the mean differ most? Why?",
            "Drag an arrow until its weight elects the other sign. Then keep fewer changes: does it still?",
        ),
        names=["model A", "model B", "model C"],
        changes=_toys.CHANGES.tolist(),
        kept=_toys.KEPT,
    )


def _finite(values: Array) -> list[Json]:
    return [float(v) if np.isfinite(v) else None for v in values]


def _draw(kind: str, key: str, alt: str, tries: Sequence[str], **data: Json) -> None:
    _renderer(key=key, data={"key": key, "kind": kind, "alt": alt, "tries": list(tries), "colours": COLOURS, **data})


_renderer = register("toys")
