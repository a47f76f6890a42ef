"""The relief's ground in the browser (frontend/relief_mesh.js) against what is known of it."""

from __future__ import annotations

import json
import subprocess

import deno
import numpy as np
import pytest

from explorer.figures.frontend import FRONTEND
from explorer.figures.landscape import height
from explorer.figures.plane import Surface

SCRIPT = """
import {{ scaleOf, valueAt }} from "{folder}/grid.js";
import {{ Mesh }} from "{folder}/relief_mesh.js";
import {{ Camera }} from "{folder}/relief_camera.js";
const grid = {grid};
const mesh = new Mesh(grid, scaleOf(grid).share, {smooth});
const camera = new Camera();
camera.fit(700, 500, [0, 0, 0.3], Math.hypot(mesh.ax, mesh.ay), 0.72);
const places = {places};
const shares = places.map((place) => mesh.share(...mesh.world(place)));
const seen = places.map((place, k) => {{
  const [x, y] = mesh.world(place);
  const spot = [x, y, shares[k] * 0.72];
  return mesh.hides(spot, camera.eye, 0.72) ? null : mesh.meet(camera.ray(...camera.pixel(spot).slice(0, 2)), 0.72);
}});
console.log(JSON.stringify({{ shares: shares.map((v) => Number.isNaN(v) ? null : v), values: places.map((p) => valueAt(grid, p)).map((v) => Number.isNaN(v) ? null : v), seen,
  faces: mesh.drawn().faces[0].length }}));
"""


def asked(grid: Surface, places: np.ndarray, *, smooth: bool = False) -> dict:
    """What the browser's mesh says of places of a plane."""
    z = [[float(v) if np.isfinite(v) else None for v in row] for row in grid.z]
    data = {"x": grid.x.tolist(), "y": grid.y.tolist(), "z": z, "lost": np.argwhere(grid.lost)[:, ::-1].tolist(), "log": False, "span": None}
    script = SCRIPT.format(folder=FRONTEND.as_uri(), grid=json.dumps(data), places=json.dumps(places.tolist()), smooth=str(smooth).lower())
    ran = subprocess.run([deno.find_deno_bin(), "eval", script], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.fixture
def hill() -> Surface:
    """One hill on a 9 × 7 grid."""
    x, y = np.linspace(-2, 2, 9), np.linspace(-1, 2, 7)
    z = 0.5 + np.exp(-(x[None, :] ** 2) - (y[:, None] - 0.3) ** 2)
    return Surface(x, y, z, np.zeros(z.shape, dtype=bool))


def test_the_ground_is_as_high_as_the_cross_sections_and_the_words_say(hill):
    """Straight between cells, as figures.landscape.height; so is the value beside a ball. A ray at a place that can be seen meets it there."""
    places = np.random.default_rng(0).uniform([-2, -1], [2, 2], (40, 2))
    said = asked(hill, places)
    wanted = height(hill, places[:, 0], places[:, 1])
    low, high = hill.z.min(), hill.z.max()
    assert said["values"] == pytest.approx(wanted.tolist(), abs=1e-9)
    assert low + np.array(said["shares"]) * (high - low) == pytest.approx(wanted, abs=0.01)
    met = [(place, there) for place, there in zip(places.tolist(), said["seen"], strict=True) if there is not None]
    assert len(met) > 25
    assert all(np.hypot(*np.subtract(place, there)) < 0.03 for place, there in met)


def test_a_preview_runs_through_its_values(hill):
    """The cubic between them changes none of them."""
    places = np.stack(np.meshgrid(hill.x, hill.y), axis=-1).reshape(-1, 2)
    low, high = hill.z.min(), hill.z.max()
    assert np.array(asked(hill, places, smooth=True)["shares"]) == pytest.approx(((hill.z - low) / (high - low)).ravel(), abs=1e-6)


def test_a_hole_has_no_ground_and_what_diverged_is_a_plateau_at_the_top(hill):
    """And the hole's squares are not drawn."""
    whole = asked(hill, np.array([[0.0, 0.0]]))["faces"]
    hill.z[0, 0] = hill.z[6, 8] = np.nan
    hill.lost[6, 8] = True
    said = asked(hill, np.array([[-1.9, -0.9], [2.0, 2.0]]))
    assert said["shares"] == [None, pytest.approx(1.0)]
    assert said["faces"] < whole
