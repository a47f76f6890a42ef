"""The lessons' moving pictures on their pages: what each is, the picture, and its corner."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from explorer.figures import bars as bars_figure
from explorer.figures import plane as plane_figure
from explorer.figures.bars import Bar
from explorer.figures.curve import PALETTE
from explorer.figures.plane import Marker, Surface, Trace
from explorer.lessons import Shelf, _toys, more_than_order, soups, two_neurons
from explorer.lessons._read import LOSS, at, row
from explorer.ui.charts import toys
from explorer.ui.frame import shell
from explorer.ui.widgets.chart_actions import corner

EXACT = "A toy landscape: computed from its formula, not measured."
SOUPS = "soups, test"  # of the lesson's runs: every subset's soup


def walk() -> None:
    """SGD from two seeds, and a ball with momentum."""
    st.markdown(
        "Two trainings leave one start with one learning rate; only their noise differs, as it does when batches come in a different order."
        " The loss is that of the network of two neurons. **The noise is Gaussian and stands for the draw of the batch.**"
    )
    toys.walk(key=(key := "learn-walk"))
    minima = [Marker(f"({a:g}, {b:g})", a, b) for a, b in (two_neurons.TEACHER, two_neurons.TEACHER[::-1])]
    _corner(key, "two-walks", "The loss that both walk over", lambda title: _relief(two_neurons.landscape(), title, ("w₁", "w₂"), minima))


def bend() -> None:
    """A Bézier curve to pull and to train."""
    st.markdown(
        "The network f(x) = v · max(0, w x) has a whole valley of weights with zero loss, w v = 1. The straight line between two places of the valley"
        " leaves it; a curve with one bend need not."
    )
    toys.bend(key=(key := "learn-bend"))
    t = np.linspace(0, 1, 61)
    drawn = Trace("curve", PALETTE[1], t, *_toys.bezier(t).T)
    ends = [Marker(name, *end) for name, end in zip("AB", _toys.ENDS, strict=True)]
    _corner(key, "bend", "A curve between two minima", lambda title: _relief(more_than_order.landscape(), title, ("w", "v"), ends, [drawn]))


def ellipses() -> None:
    """Two quadratics to merge."""
    st.markdown(
        "Two models sit at the minima of two quadratic losses. Merging means finding one place for both. The Fisher mean weighs each weight by the"
        " curvature along its own axis; **RegMean** takes the whole curvature of a linear layer, and so finds the minimum of the sum."
    )
    toys.ellipses(key=(key := "learn-ellipses"))
    axis = np.linspace(-3.0, 3.0, 61)
    z = _toys.total(np.stack(np.meshgrid(axis, axis), axis=-1))
    drawn = Surface(axis, axis, z, np.zeros(z.shape, dtype=bool))
    places = [Marker(name, *map(float, place)) for name, place in _toys.means().items()]
    _corner(key, "ellipses", "The sum of two quadratic losses", lambda title: _relief(drawn, title, ("θ₁", "θ₂"), places))


def pour() -> None:
    """A soup by hand, once the soups are measured."""
    store = shell.store()
    run = soups.LESSON.experiment(Shelf.from_checkpoints(store.checkpoints()), 0).runs[SOUPS]
    points = store.points(run.field.id)[0]
    n = len(soups.TUNES)
    if len(points) < 2**n - 1:
        st.caption("Run the experiment; then you can pour a soup of your own from what was measured.")
        return
    st.markdown(
        "Drag how much of each model goes in. All soups with equal shares were measured; **between them the loss is interpolated**, and the"
        " line below says so. At 24 random mixtures that was off by 0.02 nat on average and by 0.08 at most."
    )
    toys.pour(soups.TUNES, points, key=(key := "learn-pour"))

    def alone(title: str) -> go.Figure:
        ones = np.eye(n).tolist()
        rows = (
            *(row(name, at(points, *one), LOSS) for name, one in zip(soups.TUNES, ones, strict=True)),
            row("soup of all", at(points, *[1.0] * n), LOSS, strong=True),
        )
        return bars_figure.figure(rows, x_title="test loss (nat)", title=title, footnote="Whiskers: 95 % intervals over blocks of test samples.")

    _corner(key, "pour", "Eight models and the soup of all", alone, note="")


def vote() -> None:
    """TIES on six weights."""
    st.markdown(
        "Three models were fine-tuned from one base; each arrow is how far a weight moved. Where they disagree, the mean of all is small. **TIES** trims"
        " each model's small changes, elects a sign for each weight, and averages the changes that have it."
    )
    toys.vote(key=(key := "learn-vote"))

    def merged(title: str) -> go.Figure:
        found = {"TIES": _toys.ties(), "mean": _toys.CHANGES.mean(axis=0)}
        rows = [Bar(f"weight {w + 1}, {name}", float(v[w]), float(v[w]), float(v[w]), name == "TIES") for w in range(len(_toys.CHANGES[0])) for name, v in found.items()]  # fmt: skip
        return bars_figure.figure(rows, x_title="change from the base", title=title, footnote=EXACT)

    _corner(key, "vote", "What becomes of six weights", merged)


def _relief(surface: Surface, title: str, axes: tuple[str, str], markers: Sequence[Marker], traces: Sequence[Trace] = ()) -> go.Figure:
    return plane_figure.figure(surface, list(markers), list(traces), z_title="loss", title=title, footnote=EXACT, log=False, axes=axes)


def _corner(key: str, stem: str, title: str, figure: Callable[[str], go.Figure], *, note: str = EXACT) -> None:
    if note:
        st.caption(note)
    corner(key=key, stem=stem, title=title, figure=lambda: figure(title))
