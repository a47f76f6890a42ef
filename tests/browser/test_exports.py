"""Pictures for a report, as a browser lays them out at several sizes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from playwright.sync_api import Page

from explorer.figures import curve, plane
from explorer.figures.curve import Curve, Peak
from explorer.figures.plane import Marker, Surface, Trace

OpenPage = Callable[..., Page]  # a fixture of conftest.py
X = np.linspace(0, 1, 9)
TITLE = "resnet20-seed0 → resnet20-seed1: loss along the straight line and along paths of five methods"


def _line(i: int, height: float, lost: bool) -> Curve:
    y = np.where((X > 0.7) & (X < 0.8) & lost, np.nan, 1 + height * np.sin(np.pi * X))
    return Curve(
        f"resnet20-seed{i} → resnet20-seed{i + 1} after weight matching", X, y, peak=Peak(0.5, 1.0, 1 + height, f"barrier {height} [0.3, 0.4] nat")
    )


def _curves(count: int, lost: bool = False) -> go.Figure:
    lines = [_line(i, height, lost) for i, height in enumerate((2.0, 0.36, 0.355, 0.06, 0.01, 0.0)[:count])]
    return curve.figure(lines, x_title="t", y_title="loss (nat)", title=TITLE, footnote="512 samples of the test split")


def _plane() -> go.Figure:
    grid = Surface(X, X, np.add.outer(X, X), np.zeros((9, 9), dtype=bool))
    traces = [Trace(f"a path of method {i} from resnet20-seed0 to resnet20-seed1", "#0072B2", X, X, X**i) for i in (1, 2, 3)]
    return plane.figure(grid, [Marker("A", 0.0, 0.0, 0.0)], traces, z_title="loss", title=TITLE, footnote="512 samples")


FIGURES = {"one": lambda: _curves(1), "six": lambda: _curves(6), "diverged": lambda: _curves(3, lost=True), "plane": _plane}


@pytest.mark.parametrize("width", [480, 720, 1440])
@pytest.mark.parametrize("which", FIGURES)
def test_title_legend_plot_and_labels_stand_apart(open_page: OpenPage, tmp_path: Path, which: str, width: int):
    """From top to bottom: title, legend, axes; nothing of them is cut at the right, and no two annotations meet."""
    (file := tmp_path / "figure.html").write_text(curve.html(FIGURES[which]()), encoding="utf-8")
    page = open_page(viewport={"width": width, "height": 1000})
    page.goto(file.as_uri())
    page.locator(".gtitle").wait_for()

    def boxes(selector: str) -> list[dict[str, float]]:
        return page.locator(selector).evaluate_all("nodes => nodes.map(n => n.getBoundingClientRect().toJSON()).filter(b => b.width)")

    title, legend, *plot = *boxes(".gtitle"), *boxes(".legend .scrollbox"), *boxes(".cartesianlayer .xy .gridlayer, .bglayer rect")[:1]
    assert title["top"] >= 0
    assert title["bottom"] <= legend["top"] + 1
    assert all(legend["bottom"] <= one["top"] + 1 for one in plot)
    assert max(title["right"], *(b["right"] for b in boxes(".legendtext"))) <= width
    notes = sorted(boxes(".annotation-text-g"), key=lambda b: b["top"])
    assert all(a["bottom"] <= b["top"] + 1 or a["right"] <= b["left"] or b["right"] <= a["left"] for a, b in pairwise(notes))
