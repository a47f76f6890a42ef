"""Laws of every chart: corners stand at their own coordinates, rows of an affine chart sum to 1."""

from importlib import import_module

import numpy as np
import pytest

from explorer import methods


@pytest.mark.parametrize("name", methods.names("chart"))
def test_rows_sum_to_one_and_shapes_are_as_promised(name):
    """(K, d) coordinates give (K, C) coefficients of a point that is a mixture, inside and outside."""
    chart = import_module(f"explorer.chart.{name}")
    rng = np.random.default_rng(0)
    coords = rng.normal(size=(7, len(methods.axes(name))))
    factor = rng.normal(size=(chart.CORNERS, 5))
    coefficients = methods.find("chart", name)(coords, factor @ factor.T)
    assert coefficients.shape == (7, chart.CORNERS)
    assert coefficients.sum(axis=1) == pytest.approx(np.ones(7))


@pytest.mark.parametrize("name", methods.names("chart"))
def test_every_corner_is_somewhere_exactly(name):
    """Some corner of the unit cube gives each model with coefficient 1 and the others with 0, to the bit."""
    chart = import_module(f"explorer.chart.{name}")
    d = len(methods.axes(name))
    cube = np.stack(np.meshgrid(*[[0.0, 1.0]] * d, indexing="ij"), axis=-1).reshape(-1, d)
    rows = methods.find("chart", name)(cube, np.eye(chart.CORNERS)).tolist()
    assert all(one_hot in rows for one_hot in np.eye(chart.CORNERS).tolist())
