"""Home's first picture: the landscape between two shipped networks, a ball that walks the straight line over the ridge, then the path around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from explorer.core import registry, significant_digits
from explorer.core.spec import Run
from explorer.figures import line
from explorer.figures.curve import PALETTE
from explorer.figures.plane import Surface, Trace
from explorer.stats.barriers import barrier
from explorer.store.run_store import RunStore
from explorer.ui.charts.plane import plane
from explorer.ui.frame import shell, shipped_stories
from explorer.ui.landscape.picture import Picture, PlaneView, Style, current_view
from explorer.ui.paths import form
from explorer.ui.paths.plane import COARSE, run_of

STYLE = Style("loss", "nat", log=True, picture="relief", smooth=True, colours="Viridis")
STRAIGHT, TRAINED = "straight line", "trained path"
PICKED = "home-picked"
MARGIN = 0.22  # around the walks, of the distance between the models
CHAIN = registry.method("connect", "polychain")


def shipped(store: RunStore) -> Run | None:
    """The measured plane of the trained path between the first shipped pair; None where it is not there."""
    for status in shipped_stories.stories(store).values():
        run = status.request
        if isinstance(run, Run) and len(run.field.corners) == 2:
            way = form.trained(run.field.problem, *run.field.corners, CHAIN)
            there = run_of(way)
            if there is not None and (found := store.status(there.id)) is not None and found.state == "done":
                return there
    return None


def draw(store: RunStore, run: Run) -> None:
    """The relief, turning until it is touched; a click opens the Landscape page there."""
    there = current_view(store, Picture(run, COARSE), STYLE, [])
    if there is None:
        return
    a, bend, b = (m._replace(name="trained bend") if k == 1 else m for k, m in enumerate(there.markers))
    ways = walks(there)
    plane(
        around(there.drawn, ways),
        [a, bend, b],
        ways,
        key="home-stage",
        z_title=line.y_title(there.field, "loss"),
        on_pick=lambda spot: st.session_state.update({PICKED: spot}),
        alt=f"The loss between {a.name} and {b.name}: a ridge on the straight line, and a trained path that leads around it.",
        log=True,
        height=480,
        scale=STYLE.colours,
        view="relief",
        stage=True,
    )
    if (spot := st.session_state.pop(PICKED, None)) is not None:
        u, v = there.window.coords(np.array([spot.x, spot.y]))
        shell.go("landscape", runs=run.id, picture="relief", at=f"{u:.4g},{v:.4g}", of="0")


def around(grid: Surface, ways: list[Trace]) -> Surface:
    """The part of a plane where the walks are: far from them the loss says nothing of the models, and is many times as high."""
    up = np.concatenate([way.y for way in ways])
    margin = MARGIN * float(np.ptp(np.concatenate([way.x for way in ways])))
    rows = (grid.y >= up.min() - margin) & (grid.y <= up.max() + margin)
    return replace(grid, y=grid.y[rows], z=grid.z[rows], lost=grid.lost[rows], guess=None if grid.guess is None else grid.guess[rows])


def walks(there: PlaneView) -> list[Trace]:
    """The straight line between the first and the last model, then the trained path."""
    a, b = there.markers[0], there.markers[-1]
    t = np.linspace(0.0, 1.0, 65)
    straight = Trace(STRAIGHT, PALETTE[1], t, a.x + t * (b.x - a.x), a.y + t * (b.y - a.y))
    return [straight, *(replace(way, name=TRAINED, colour=PALETTE[0]) for way in there.traces if way.name == "polychain")]


def words(store: RunStore, run: Run) -> str:
    """What is seen, in numbers: how far the loss rises above the chord between the ends, on either way."""
    a, b = run.field.corners[0], run.field.corners[-1]
    ways = (form.straight(run.field.problem, a, b), form.trained(run.field.problem, a, b, CHAIN))
    points = [store.points(way.run.field.id)[0] for way in ways]
    rises = [found.height for one in points if len(one) and (found := barrier(one)) is not None]
    if len(rises) < 2:
        return ""
    high, low = (significant_digits.within(rise.value, rise.low, rise.high, unit="nat") for rise in rises)
    return (
        f"{run.field.problem.title or run.field.problem.name}. On the straight line from {a.name} to {b.name} the loss rises by {high}, on the trained path by"
        f" {low}; 95 % intervals, {int(points[0].counts.sum()):,} {run.field.measured_on} samples. The height is logarithmic."
    )
