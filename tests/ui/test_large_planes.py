"""A finished plane costs what is drawn of it: its points are read once, and everything it shows is what their blocks give."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.spec import Field
from explorer.figures.plane import cells, previewed
from explorer.stats import candidate_extremes
from explorer.ui.landscape import form as landscape_form
from explorer.ui.landscape.export import words as plane_words
from explorer.ui.landscape.picture import COARSE, FINEST, Picture, Style, current_view
from explorer.ui.widgets.model_inspector import measured_at
from tests.ui.test_landscape import three

STYLES = [Style(m, "nat" if m == "loss" else "%", False, "map", smooth) for m in ("loss", "error", "accuracy") for smooth in (True, False)]
BLOCKS = 8


def made_up(field: Field, store, size: int, seed: int = 0) -> None:
    """A size × size grid of a plane, out of nothing."""
    random, axis = np.random.default_rng(seed), np.linspace(0, 1, size)
    u, v = (a.ravel() for a in np.meshgrid(axis, axis, indexing="ij"))
    loss = (0.1 + (u - 0.3) ** 2 + (v - 0.6) ** 2)[:, None] * random.uniform(0.5, 1.5, (size**2, BLOCKS))
    store.append(field.id, np.column_stack([u, v]), np.stack([loss, random.integers(0, 3, loss.shape)], axis=1), seconds=1.0)


@pytest.fixture
def plane(tiny, store, work):
    """A plane through three models whose worker has opened it, with the points of its coarse picture."""
    run = landscape_form.through(tiny.problem.spec, three(tiny, store, work), samples=64)
    gram = np.eye(3) + 1.0
    store.open_field(run.field, shape=(2, BLOCKS), counts=np.full(BLOCKS, 8.0), gram=gram, facts={"parameters": 900})
    made_up(run.field, store, COARSE)
    return run


def same(one, other) -> None:
    """Two surfaces, cell for cell."""
    assert np.array_equal(one.z, other.z, equal_nan=True)
    assert np.array_equal(one.lost, other.lost)
    assert (one.guess is None) == (other.guess is None)
    assert one.guess is None or np.array_equal(one.guess, other.guess)


@pytest.mark.parametrize("style", STYLES, ids=lambda s: f"{s.metric}-{s.smooth}")
def test_what_is_drawn_and_said_is_what_the_blocks_give(plane, store, style):
    """Cells, preview, certificate, candidates and words: as from all points with all their blocks, after every addition."""
    picture, field = Picture(plane, FINEST), plane.field
    for size in (COARSE, 33, FINEST):
        made_up(field, store, size, seed=size)
        for _ in range(2):
            there = current_view(store, picture, style, [])
            points, _ = store.points(field.id)
            assert len(points) == size**2
            same(there.whole, cells(points, field.metrics, style.metric, there.window, size))
            if style.smooth:
                drawn, certificate = previewed(points, field.metrics, style.metric, there.window, FINEST)
                same(there.drawn, drawn)
                assert there.certificate == certificate
            assert there.deciding == candidate_extremes.deciding(field, points, style.metric)
            low, high = style.interval(field, points)
            k = int(np.argmin(np.where(np.isfinite(there.points.means()[:, 0]), points.means()[:, 0], np.nan)))
            assert [float(end[0]) for end in style.interval(field, there.blocks(points.coords[[k]]))] == [float(low[k]), float(high[k])]
            assert plane_words(there, style).startswith("The ")


def test_drawing_it_again_reads_no_point(plane, store):
    """Nor does another session; and a metric that was not looked at yet is made of what is there."""
    for style in STYLES:
        current_view(store, Picture(plane, FINEST), style, [])
    steps: list[int] = []
    store._db.set_progress_handler(lambda: steps.append(1), 1)
    for style in STYLES:
        current_view(store, Picture(plane, FINEST), style, [])
    few = len(steps)
    store._db.set_progress_handler(None, 1)
    made_up(plane.field, store, FINEST, seed=1)
    for style in STYLES:
        current_view(store, Picture(plane, FINEST), style, [])
    steps.clear()
    store._db.set_progress_handler(lambda: steps.append(1), 1)
    for style in STYLES:
        current_view(store, Picture(plane, FINEST), style, [])
    store._db.set_progress_handler(None, 1)
    assert 0 < len(steps) <= few + 40


def test_the_picked_place_has_its_own_blocks(plane, store):
    """Also where the address has fewer digits than the store; nothing where nothing is measured."""
    points, _ = store.points(plane.field.id)
    found = measured_at(store, plane.field, (0.25, 0.5 + 1e-10))
    (k,) = np.flatnonzero((points.coords == [0.25, 0.5]).all(axis=1))
    assert np.array_equal(found.values, points.values[[k]])
    assert len(measured_at(store, plane.field, (0.26, 0.5))) == 0
    assert registry.has_window(plane.field.chart.name)
