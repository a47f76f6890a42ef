"""Values on a grid as the browser reads them (frontend/grid.js), against slow and obviously right answers."""

from __future__ import annotations

import json
import subprocess

import deno
import numpy as np
import pytest

from explorer.figures.frontend import FRONTEND


def asked(script: str):
    """What a script that has the module as `grid` answers."""
    text = f'import * as grid from "{FRONTEND.as_uri()}/grid.js";\nconsole.log(JSON.stringify({script}));'
    ran = subprocess.run([deno.find_deno_bin(), "eval", text], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.parametrize(("ny", "nx", "share"), [(9, 13, 0.2), (13, 9, 0.05), (1, 7, 0.4), (8, 8, 1.0)])
def test_what_is_not_known_has_the_value_of_the_nearest_known_cell(ny, nx, share):
    """Against all known cells gone through; of several equally near ones any."""
    random = np.random.default_rng(nx)
    z = random.random((ny, nx))
    known = random.random((ny, nx)) < share
    known[ny // 2, nx // 2] = True
    rows = [[float(v) if k else None for v, k in zip(*pair, strict=True)] for pair in zip(z, known, strict=True)]
    found = np.array(asked(f"grid.filled({json.dumps(rows)})"))
    assert np.array_equal(found[known], z[known])
    places = np.argwhere(known)
    for j, i in np.argwhere(~known):
        far = ((places - [j, i]) ** 2).sum(axis=1)
        assert found[j, i] in z[tuple(places[far == far.min()].T)]
    assert asked("grid.filled([[null, null], [null, null]])") == [[None, None], [None, None]]


def test_lines_of_equal_value_lie_where_the_value_is_theirs():
    """Of x + 2y, known everywhere but in one corner: on every piece the value is the level, and together they are as long as the lines are there."""
    x, y = np.linspace(0, 4, 9), np.linspace(0, 2, 5)
    z = [[float(a + 2 * b) for a in x] for b in y]
    z[0][0] = None
    data = {"x": x.tolist(), "y": y.tolist(), "z": z, "log": False}
    levels = [1.9, 4.1, 100.0]
    found = asked(f"grid.contours({json.dumps(data)}, {levels}, 0)")
    for level, pieces in zip(levels, found, strict=True):
        ends = np.array(pieces).reshape(-1, 2, 2)
        assert ends[..., 0] + 2 * ends[..., 1] == pytest.approx(np.full(ends.shape[:2], level))
    lengths = [float(np.linalg.norm(np.diff(np.array(p).reshape(-1, 2, 2), axis=1), axis=2).sum()) for p in found]
    assert lengths == pytest.approx([np.hypot(1.9, 0.95), np.hypot(4 - 0.1, 1.95), 0.0])


def test_a_saddle_is_crossed_by_two_lines_that_do_not_meet():
    """Its middle decides which sides belong together."""
    data = {"x": [0, 1], "y": [0, 1], "z": [[1, 0], [0, 1]], "log": False}
    low, high = asked(f"grid.contours({json.dumps(data)}, [0.4, 0.6], 0)")
    assert len(low) == len(high) == 2
    for pieces, corners in ((low, ([1, 0], [0, 1])), (high, ([0, 0], [1, 1]))):
        middles = np.array(pieces).mean(axis=1)
        assert sorted(min(range(2), key=lambda k: np.linalg.norm(middle - corners[k])) for middle in middles) == [0, 1]
