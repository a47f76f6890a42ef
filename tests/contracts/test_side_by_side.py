"""The page that compares packages says what was measured, and our part of it still holds."""

import json
import os
import runpy
import subprocess
import sys

import pytest

from tests.contracts.test_layers import ROOT

DRIVER = runpy.run_path(str(ROOT / "benchmarks" / "side_by_side.py"))
RESULT = json.loads(DRIVER["RESULT"].read_text(encoding="utf-8"))


def test_the_page_has_the_table_of_the_stored_results():
    """Whoever measures again writes both."""
    text = DRIVER["PAGE"].read_text(encoding="utf-8")
    assert DRIVER["BETWEEN"].search(text)[0] == DRIVER["table"](RESULT)


@pytest.mark.parametrize("package", DRIVER["PACKAGES"], ids=lambda p: p.name)
def test_the_lines_are_those_of_the_scripts(package):
    """A script that grows or shrinks changes what the page says of it."""
    assert RESULT["packages"][package.name]["lines"] == DRIVER["lines"](package.script)


def test_ours_are_no_more_lines_than_the_shortest():
    """To a curve and its barrier, and to a landscape; and nobody else's barrier has an interval or statistics of its own."""
    lines = {name: found["lines"] for name, found in RESULT["packages"].items()}
    curves = {name: found["results"]["curve"] for name, found in RESULT["packages"].items() if "curve" in found["results"]}
    for task in ("curve", "plane"):
        assert lines["explorer"][task] == min(found[task] for found in lines.values() if task in found)
    assert [name for name, curve in curves.items() if "interval" in curve] == ["explorer"]
    assert [name for name, curve in curves.items() if curve["statistics"] == "measured again"] == ["explorer"]
    assert [name for name, found in lines.items() if "aligned" in found] == ["explorer"]


@pytest.mark.slow
@pytest.mark.release
def test_our_script_still_finds_the_barrier_that_the_page_has(tmp_path):
    """The curve's part of it, with the statistics it claims, on networks that stay as they are."""
    command = [sys.executable, "-c", "import given, with_explorer; given.run(with_explorer.curve)", str(tmp_path / "out.json")]
    environment = os.environ | {"LOSS_EXPLORER_HOME": str(tmp_path), "PYTHONPATH": str(DRIVER["SCRIPTS"])}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["curve"]
    stored = RESULT["packages"]["explorer"]["results"]["curve"]
    assert found["height"] == pytest.approx(stored["height"], rel=0.02)
    assert found["unchanged"]
    assert found["statistics"] == stored["statistics"] == "measured again"
    assert found["interval"][0] < found["height"] < found["interval"][1]
