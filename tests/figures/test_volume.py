"""The surface of one value in the browser (frontend/isosurface.js) against what is known of it, and what the picture of a volume is told."""

import json
import subprocess
from collections import Counter

import deno
import numpy as np
import pytest

from explorer.core.points import Points
from explorer.figures.frontend import FRONTEND
from explorer.figures.told_volume import volume
from explorer.stats.field_topology import basins, of_points

SCRIPT = """
import {{ isosurface, rising }} from "{folder}/isosurface.js";
const block = {{ n: {n}, values: Float32Array.from({values}, (v) => v === null ? NaN : v) }};
const found = isosurface(block, {level});
const ups = [];
for (let k = 0; k < found.length; k += 3) ups.push(rising(block, [found[k], found[k + 1], found[k + 2]]));
console.log(JSON.stringify({{ found: Array.from(found), ups }}));
"""


def surface(values, level):
    """(T, 3, 3) corners of its triangles, and (T, 3, 3) which way the values rise there."""
    told = [float(v) if np.isfinite(v) else None for v in values.ravel()]
    script = SCRIPT.format(folder=FRONTEND.as_uri(), n=list(values.shape), values=json.dumps(told), level=level)
    said = json.loads(subprocess.run([deno.find_deno_bin(), "eval", script], capture_output=True, text=True, check=True).stdout)
    return np.array(said["found"]).reshape(-1, 3, 3), np.array(said["ups"]).reshape(-1, 3, 3)


def grid(n):
    return np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1) - (n - 1) / 2


def test_a_ball_has_its_radius_its_area_and_no_cracks():
    """Every edge belongs to two triangles; every corner lies at the radius; the values rise outwards."""
    away = np.linalg.norm(grid(13), axis=-1)
    triangles, ups = surface(away, 4.3)
    at = triangles - 6
    assert np.linalg.norm(at, axis=-1) == pytest.approx(4.3, abs=0.12)
    area = np.linalg.norm(np.cross(at[:, 1] - at[:, 0], at[:, 2] - at[:, 0]), axis=-1).sum() / 2
    assert area == pytest.approx(4 * np.pi * 4.3**2, rel=0.03)
    named = [[tuple(corner) for corner in triangle] for triangle in np.round(triangles, 4)]
    edges = Counter(frozenset((t[a], t[b])) for t in named if len(set(t)) == 3 for a, b in ((0, 1), (1, 2), (2, 0)))
    assert set(edges.values()) == {2}
    outwards = (ups * at).sum(axis=-1) / (np.linalg.norm(ups, axis=-1) * np.linalg.norm(at, axis=-1))
    assert outwards.min() > 0.97


def test_a_slope_is_cut_by_a_plane():
    """A function that is straight is cut exactly; the axes are x, y and z in this order."""
    x, y, z = np.moveaxis(grid(5), -1, 0)
    triangles, ups = surface(x + 2 * y + 4 * z, 1.0)
    assert ((triangles - 2) @ [1, 2, 4]) == pytest.approx(np.ones(triangles.shape[:2]), abs=1e-4)
    inside = (triangles.min(axis=(1, 2)) > 1) & (triangles.max(axis=(1, 2)) < 3)
    assert ups[inside] / ups[inside][..., :1] == pytest.approx(np.broadcast_to([1, 2, 4], ups[inside].shape), abs=1e-3)


def test_where_nothing_is_known_there_is_no_surface():
    """Nor where the level is not reached."""
    values = grid(4)[..., 0]
    values[:, 0] = np.nan
    triangles, _ = surface(values, 0.0)
    assert triangles.size
    assert triangles[..., 1].min() >= 1
    assert not surface(values, 99.0)[0].size


def test_the_picture_is_told_its_values_in_order_and_every_minimum_with_its_pass():
    """x is the slowest; what is not known is null; a number of a minimum stands on its pass, too."""
    axes = [np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0]), np.array([-1.0, 1.0])]
    values = np.array([0.0, 3.0, 1.0])[:, None, None] + np.zeros((3, 2, 2))
    coords = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    minima = basins(of_points(Points(coords, values.reshape(-1, 1, 1).repeat(8, axis=2), np.ones(8)), coords))
    values[2, 1, 1] = np.nan
    said = json.loads(json.dumps(volume(values, axes, key="k", z_title="loss", alt="", unit="nat", minima=minima), allow_nan=False))
    assert said["n"] == [3, 2, 2]
    assert said["values"] == [0, 0, 0, 0, 3, 3, 3, 3, 1, 1, 1, None]
    assert (said["low"], said["high"]) == ([0, 5, -1], [2, 6, 1])
    assert [(m["number"], m["pass"], m["place"][0]) for m in said["marks"]] == [(0, False, 0), (1, False, 2), (1, True, 1)]
    with pytest.raises(ValueError, match="three axes"):
        volume(values[0], axes, key="k", z_title="loss", alt="", unit="nat")
