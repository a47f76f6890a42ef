"""Maps of models in Python."""

import numpy as np
import pytest

from explorer.api import Refused, interpolate, model_map
from tests import many_models


def test_a_map_of_trained_and_moved_models(home, tmp_path):
    """Rises are those of the lines' middles; more lines go on from the fewer; basins grow with the threshold; table and picture follow."""
    paths = many_models.write(tmp_path / "many", 12)
    fresh = []
    few = model_map(*paths, lines=20)
    found = model_map(*paths, lines=55, report=lambda done, total, new, message: fresh.append(new) or True)
    table = found.to_frame()
    assert len(few.to_frame()) < len(table) == 55
    assert table["rise"].is_monotonic_increasing
    assert ((table["rise_low"] <= table["rise"]) & (table["rise"] <= table["rise_high"])).all()
    i, j = (found.names.index(table.iloc[-1][name]) for name in ("first", "second"))
    line = interpolate(paths[i], paths[j], sampler="grid", options={"size": 3}).points.means()[:, 0]
    assert table["rise"].iloc[-1] == pytest.approx(line[1] - (line[0] + line[2]) / 2, rel=1e-4)
    assert found.losses()[i] == pytest.approx(line[0], rel=1e-4)
    counts = [len(set(found.basins(t))) for t in (-1.0, 0.01, 1e9)]
    assert counts[0] == 12
    assert counts[0] >= counts[1] >= counts[2] == 1
    heights = found.heights()
    assert np.isfinite(heights).all()
    assert heights[i, j] <= table["rise"].iloc[-1]
    assert found.places.shape == (12, 2)
    assert found.figure().data
    assert "55 of 66 lines" in repr(found)


def test_two_models_are_no_map(tiny, home):
    """With what measures them instead."""
    with pytest.raises(Refused, match="three models or more, got 2"):
        model_map(tiny.a, tiny.b, problem=tiny.folder)
