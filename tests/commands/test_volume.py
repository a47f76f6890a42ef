"""`loss-explorer volume`."""

import pandas as pd

from tests.commands.test_main import run


def test_a_box_around_a_model_is_measured_with_its_minima_and_its_files(tiny, home, tmp_path):
    """Every point of the grid, as a table and as slices."""
    text = run("volume", tiny.a, "--problem", tiny.folder, "--size", 3, "--data", tmp_path / "box.csv", "--figure", tmp_path / "box.html")
    assert "27 points in 3 dimensions" in text
    assert "SMAD" in text
    assert len(pd.read_csv(tmp_path / "box.csv", comment="#")) == 27
    assert (tmp_path / "box.html").stat().st_size > 1000


def test_directions_are_for_one_model_alone(tiny, home):
    """Over several the models say where to go, and three are a plane."""
    assert "for a single checkpoint" in run("volume", tiny.a, tiny.b, "--around", "random", "--problem", tiny.folder, code=2)
    assert "4 models or more" in run("volume", tiny.a, tiny.b, "--problem", tiny.folder, code=2)
