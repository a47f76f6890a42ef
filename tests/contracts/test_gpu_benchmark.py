"""The scripts that are run on GPUs, on the CPU with tiny sizes: a script that fails there wastes the hour of a machine that is hard to get."""

import json

import pytest

from benchmarks import gpu


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Networks of the same kinds that compile in seconds."""
    monkeypatch.setitem(gpu.NETS, "resnet20", ('name = "resnet"\nchannels = 1\nwidths = [4]\nblocks = 1\nclasses = 10', (1, 4, 4)))
    monkeypatch.setitem(gpu.NETS, "mlp", ('name = "mlp"\nwidths = [16, 8, 10]', (1, 4, 4)))


@pytest.mark.slow
@pytest.mark.release
def test_what_compiling_gains(tmp_path, capsys):
    """A table for each network, the ResNet's first, with its peers, its statistics and its floor; everything is in the file."""
    file = tmp_path / "found.json"
    gpu.main(f"--parts ceilings compiled --nets mlp resnet20 --samples 40 --seconds 0.01 --device cpu --json {file}".split())
    rows = json.loads(file.read_text())["compiled"]
    assert [r["net"] for r in rows] == ["resnet20"] * 6 + ["mlp"] * 6
    for precision in ("float32", "bfloat16"):
        for net in ("resnet20", "mlp"):
            here = {r["way"].partition(",")[0]: r for r in rows if (r["net"], r["precision"]) == (net, precision)}
            assert set(here) == {"all at once", "ours", "compiled"}
            first, again = here["compiled"]["compiling"]
            assert first > again > 0
            assert (here["compiled"]["with statistics"] is not None) == (net == "resnet20")
            assert all(r["seconds"] > r["floor"] > 0 for r in here.values())
    assert "not compiled" not in capsys.readouterr().out


def test_nothing_new_is_begun_when_the_time_is_over(tmp_path, capsys):
    """What was left out is said."""
    file = tmp_path / "found.json"
    gpu.main(f"--parts compiled --nets mlp --samples 40 --seconds 0.01 --limit 0 --device cpu --json {file}".split())
    assert {r["way"].partition(",")[0] for r in json.loads(file.read_text())["compiled"]} == {"all at once"}
    assert "left out, since 0 s are over: bfloat16" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.release
def test_points_over_several_devices(tmp_path):
    """Two processes on the CPU, for a network of images and a language model read from files."""
    file = tmp_path / "found.json"
    given = f"--parts scaling --nets mlp --samples 40 --seconds 0.05 --device cpu --devices cpu cpu --language tiny --windows 3 --json {file}"
    gpu.main(given.split())
    rows = json.loads(file.read_text())["scaling"]
    assert [(r["net"], r["gpus"]) for r in rows] == [("mlp", 1), ("mlp", 2), ("tiny", 1), ("tiny", 2)]
    assert [r["efficiency"] for r in rows if r["gpus"] == 1] == [1.0, 1.0]
    assert all(r["points/s"] > 0 and r["efficiency"] > 0.1 for r in rows)
