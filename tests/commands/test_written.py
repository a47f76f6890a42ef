"""What the commands write: pictures for papers, numbers and meshes, each by its file's ending."""

import struct
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from explorer.api import align, interpolate, landscape_around
from explorer.figures.paper import export
from tests.commands.test_main import run

FEW = ("--samples", "64")


def size_of(png: bytes) -> tuple[int, int]:
    """Of a PNG, from its header."""
    return struct.unpack(">II", png[16:24])


def test_a_line_is_written_in_every_form(tiny, home, tmp_path):
    """From one measurement: the picture three times as the API gives it, and the same numbers three times."""
    files = {end: tmp_path / f"line.{end}" for end in ("pdf", "svg", "png", "html", "csv", "parquet", "npz")}
    words = [w for end, file in files.items() for w in ("--figure" if end in ("pdf", "svg", "png", "html") else "--data", file)]
    run("barrier", tiny.a, tiny.b, "--sampler", "grid", "--points", "5", *FEW, *words, "--preset", "page", "--theme", "dark")
    line = interpolate(tiny.a, tiny.b, sampler="grid", options={"size": 5}, samples=64)
    made = export.images(line.figure(), ["pdf", "svg", "png"], preset="page", theme="dark", source=f"run {line.run.id}")
    assert {end: files[end].read_bytes() == content for end, content in made.items()} == {"pdf": True, "svg": True, "png": True}
    assert size_of(made["png"])[0] == 7 * 300
    assert "Plotly.newPlot" in files["html"].read_text(encoding="utf-8")
    tables = pd.read_csv(files["csv"]), pd.read_parquet(files["parquet"])
    arrays = np.load(files["npz"], allow_pickle=False)
    assert list(tables[0].columns) == list(tables[1].columns) == list(arrays.files)
    assert list(arrays.files)[:2] == ["t", "loss (nat)"]
    for column in arrays.files:
        np.testing.assert_allclose(tables[0][column], line.to_frame()[column.removesuffix(" (nat)")])
        np.testing.assert_array_equal(tables[1][column], arrays[column])


def test_a_plane_is_written_as_a_relief_and_as_a_mesh(tiny, home, tmp_path):
    """The three-dimensional picture and the three meshes of the API."""
    words = (
        "--figure",
        tmp_path / "relief.png",
        "--relief",
        "--width",
        "5",
        "--mesh",
        tmp_path / "m.obj",
        "--mesh",
        tmp_path / "m.glb",
        "--mesh",
        tmp_path / "m.vtp",
    )
    run("plane", tiny.a, "--around", "random", "--size", "5", *FEW, *words)
    plane = landscape_around(tiny.a, size=5, samples=64)
    assert (tmp_path / "relief.png").read_bytes() == export.image(plane.relief(), "png", width=5.0)
    assert size_of((tmp_path / "relief.png").read_bytes())[0] == 1500
    plane.save_mesh(*(tmp_path / f"again.{end}" for end in ("obj", "glb", "vtp")))
    for end in ("obj", "glb", "vtp"):
        assert (tmp_path / f"m.{end}").read_bytes() == (tmp_path / f"again.{end}").read_bytes()


def test_an_alignment_is_written_before_and_after(tiny, home, tmp_path):
    """Both lines in one picture and in one table; of more than two models there is no one pair."""
    run("align", tiny.a, tiny.b, *FEW, "--figure", tmp_path / "pair.svg", "--data", tmp_path / "pair.csv")
    (pair,) = align(tiny.a, tiny.b, samples=64).pairs
    assert set(pd.read_csv(tmp_path / "pair.csv")["alignment"]) == {"before", "after"}
    assert (tmp_path / "pair.svg").read_bytes() == export.image(pair.figure(), "svg", source=f"run {pair.after.run.id}")
    assert "show two models, before and after" in run("align", tiny.a, tiny.b, tiny.a, "--figure", tmp_path / "x.svg", code=2)


@pytest.mark.parametrize("command", [("barrier", "a", "b"), ("plane", "a", "--around", "random"), ("align", "a", "b")])
def test_without_matplotlib_nothing_is_measured_first(command, tmp_path, monkeypatch):
    """A sentence says what to install; a page for the browser needs none."""
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    assert "pip install 'explorer[figures]'" in run(*command, "--figure", tmp_path / "f.pdf", code=2)
    assert "pip install" not in run(*command, "--figure", tmp_path / "f.html", code=2)


def test_what_exists_is_not_written_over(tiny, home, tmp_path):
    """Neither pictures nor numbers, and it is said before anything is measured."""
    (tmp_path / "f.pdf").write_text("mine")
    assert "exists already" in run("barrier", tiny.a, tiny.b, "--figure", tmp_path / "f.pdf", code=2)
    (tmp_path / "f.npz").write_text("mine")
    assert "exists already" in run("barrier", tiny.a, tiny.b, "--data", tmp_path / "f.npz", code=2)


def test_the_commands_start_without_what_only_files_need():
    """Half a second of every command otherwise: tables and figures are imported where one is made."""
    script = "import sys, explorer.commands.main; print([m for m in ('torch', 'pandas', 'plotly', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.strip() == "[]"
