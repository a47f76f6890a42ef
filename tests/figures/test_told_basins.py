"""What the pictures of minima are told, and what the browser makes of a plane's cells."""

import json
import subprocess

import deno
import numpy as np
import pytest

from explorer.figures import landscape_profile
from explorer.figures.frontend import FRONTEND
from explorer.figures.told_basins import basins as told
from explorer.figures.topology import DRAWN
from tests.figures.test_topology import CHAIN, found, listed

WELLS = np.array([[0.0, 4.0, 2.0], [1.0, 5.0, 3.0]])  # two wells: the left column, and the right one


def asked(kind, surface, **how):
    """Without what JSON cannot hold."""
    return json.loads(json.dumps(told(kind, found(surface), listed(surface), key="k", unit="nat", alt="minima", **how), allow_nan=False))


@pytest.mark.parametrize("kind", ["tree", "profile", "barcode"])
def test_each_picture_numbers_the_minima_alike(kind):
    """A minimum stands at its value and its words are its own; the arrow keys come to each once."""
    shown = asked(kind, CHAIN, pick=1)
    along = 0 if kind == "barcode" else 1
    assert [one["low"][along] for one in shown["minima"]] == [0, 1, 2]
    assert [one["words"][0].split(" at")[0] for one in shown["minima"]] == ["minimum 0 nat [0, 0]", "minimum 1 nat [1, 1]", "minimum 2 nat [2, 2]"]
    assert sorted(shown["order"]) == [0, 1, 2]
    assert shown["pick"] == 1
    assert shown["cells"] is None
    across = [shown["minima"][k]["low"][1 - along] for k in shown["order"]]
    assert across == sorted(across)


def test_minima_that_noise_can_have_made_are_told_so():
    """As they are in the figures."""
    shown = told("tree", mine := found(CHAIN, noise=0.9), listed(CHAIN, noise=0.9), key="k", unit="nat", alt="minima")
    assert [one["real"] for one in shown["minima"]] == [True, True, False]
    assert "noise can have made it" in shown["minima"][2]["words"]
    lines = [t for t in landscape_profile.figure(mine, listed(CHAIN, noise=0.9), unit="nat").data if t.line.color == landscape_profile.FAINT]
    (faint,) = lines
    assert faint.y.min() == pytest.approx(2)


def test_the_terrain_has_valleys_as_wide_as_basins_and_ridges_as_high_as_passes():
    """Percent of the points across; heights are values times the scale. What is far above the passes is cut, and nothing below."""
    fig = landscape_profile.figure(found(CHAIN), listed(CHAIN), unit="nat")
    line = next(t for t in fig.data if t.mode == "lines" and t.fill is None)
    assert (line.x.min(), line.x.max()) == (0, 100)
    bottoms = np.concatenate([t.x for t in fig.data if t.mode == "markers"])
    for i, j, height in [(0, 2, 4), (1, 2, 6), (0, 1, 6)]:
        left, right = sorted(bottoms[[i, j]])
        assert line.y[(line.x >= left) & (line.x <= right)].max() == height
    peaked = np.array([[0.0, 4.0, 1.0, 1000.0]])
    low, high = landscape_profile.figure(found(peaked), listed(peaked), unit="nat").layout.yaxis.range
    assert low < 0
    assert 4 < high < 20


def test_a_rough_surface_and_an_empty_one_are_drawn():
    """With the most persistent minima, and with none."""
    rough = np.random.default_rng(0).random((40, 40))
    for kind in ("tree", "profile", "barcode"):
        assert len(asked(kind, rough, plane="p")["minima"]) == DRAWN
        assert asked(kind, np.full((2, 2), np.nan), plane="p")["minima"] == []
    assert landscape_profile.figure(found(rough), listed(rough), unit="").layout.height


def test_the_browser_outlines_what_runs_down_to_a_minimum():
    """The cells by rows, as the plane has them; the edge of a basin is where its cells meet others or the border, and a place belongs to its nearest cell."""
    cells = asked("tree", WELLS, plane="p")["cells"]
    assert (cells["x"], cells["y"]) == ([0, 10, 20], [7, 8])
    assert [row[0] for row in cells["basin"]] == [0, 0]
    assert [row[2] for row in cells["basin"]] == [1, 1]
    script = (
        f'import {{ basinAt, regionOf }} from "{FRONTEND.as_uri()}/region.js";\nconst cells = {json.dumps(cells)};\n'
        "console.log(JSON.stringify([basinAt(cells, [1, 7.9]), basinAt(cells, [19, 7.1]), regionOf(cells, 1)]));"
    )
    ran = subprocess.run([deno.find_deno_bin(), "eval", script], capture_output=True, text=True, check=True)
    left, right, region = json.loads(ran.stdout)
    assert (left, right) == (0, 1)
    assert region["low"] == [20, 7]
    assert region["over"] == cells["over"][1]
    mine = np.array(cells["basin"]) == 1
    walls = np.abs(np.diff(np.pad(mine, 1).astype(int), axis=0)).sum() + np.abs(np.diff(np.pad(mine, 1).astype(int), axis=1)).sum()
    assert len(region["edge"]) == walls
