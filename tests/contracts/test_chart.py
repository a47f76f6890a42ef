"""Laws of every chart: corners stand at their own coordinates, rows of an affine chart sum to 1."""

from importlib import import_module

import numpy as np
import pytest

from explorer.core import registry

AFFINE = [n for n in registry.names("chart") if n != "slerp"]  # an arc leaves the straight line


@pytest.mark.parametrize("name", AFFINE)
def test_rows_sum_to_one_and_shapes_are_as_promised(name):
    """(K, d) coordinates give (K, C) coefficients of a point that is a mixture, inside and outside."""
    chart = import_module(f"explorer.methods.chart.{name}")
    rng = np.random.default_rng(0)
    coords = rng.normal(size=(7, len(registry.axes(name, chart.CORNERS))))
    factor = rng.normal(size=(chart.CORNERS, 5))
    coefficients = registry.find("chart", name)(coords, factor @ factor.T)
    assert coefficients.shape == (7, chart.CORNERS)
    assert coefficients.sum(axis=1) == pytest.approx(np.ones(7))


@pytest.mark.parametrize(
    "name", [n for n in registry.names("chart") if n not in ("plane", "directions", "volume")]
)  # tests/stats/test_plane_frame.py
def test_every_corner_is_somewhere_exactly(name):
    """Some point of the unit cube gives each model with coefficient 1 and the others with 0, to the bit."""
    chart = import_module(f"explorer.methods.chart.{name}")
    d = len(registry.axes(name, chart.CORNERS))
    cube = np.stack(np.meshgrid(*[[0.0, 1.0]] * d, indexing="ij"), axis=-1).reshape(-1, d)
    cube = cube[1:] if name == "mixture" else cube  # nothing is no soup
    cube = np.concatenate([cube, np.full((1, d), 0.5)])  # a chain's middle corner
    rows = registry.find("chart", name)(cube, np.eye(chart.CORNERS)).tolist()
    corners = np.eye(chart.CORNERS).tolist()
    assert all(
        one_hot in rows for one_hot in (corners[:1] + corners[-1:] if name == "bezier" else corners)
    )  # a curve does not pass through its bends
