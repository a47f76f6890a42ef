"""The front end's files as one text each: what a checkout shows that is not installed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from deno import find_deno_bin

from explorer.figures.frontend import FRONTEND, script, style


@pytest.mark.parametrize("file", ["curve.js", "plane.js", "basins.js", "volume.js", "neurons.js", "units.js", "toys.js"])
def test_a_script_carries_all_that_it_imports(file):
    """No import is left, every imported name is defined, and there is one default export."""
    lists = re.findall(r"^import \{(.*)\} from", (FRONTEND / file).read_text(encoding="utf-8"), flags=re.M)
    wanted = [name for names in lists for name in names.replace(" ", "").split(",")]
    whole = script(file)
    assert not re.search(r"^import ", whole, flags=re.M)
    assert re.findall(r"^export (\w+)", whole, flags=re.M) == ["default"]
    defined = re.findall(r"^(?:function|const|let|class) (\w+)", whole, flags=re.M)
    assert len(defined) == len(set(defined)), "two files use one name"
    for name in wanted:
        assert len(re.findall(rf"^(?:function|const|class) {name}\b", whole, flags=re.M)) == 1


def test_a_style_sheet_carries_what_it_imports():
    """The plane is drawn in the style of the curve."""
    assert "@import" not in style("plane.css")
    assert ".curve .readout" in style("plane.css")


def test_the_front_ends_types_are_checked(tmp_path):
    """The checker of the test command accepts the front end as it is, and refuses a name that an import does not have and a number for a text."""
    environment = os.environ | {"DENO_DIR": str(tmp_path / "cache"), "NO_COLOR": "1"}

    def check(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([find_deno_bin(), "check", "--quiet", "."], cwd=folder, env=environment, capture_output=True, text=True, check=False)

    copy = shutil.copytree(FRONTEND, tmp_path / "frontend")
    right = check(copy)
    assert right.returncode == 0, right.stderr
    for file, text, mistake in [("map.js", "niceStep,", "nicestep,"), ("curve.js", "put(this.under, data.xTitle)", "put(this.under, data.height)")]:
        source = (copy / file).read_text(encoding="utf-8")
        assert source.count(text) == 1
        (copy / file).write_text(source.replace(text, mistake), encoding="utf-8")
    wrong = check(copy)
    assert wrong.returncode != 0
    assert "nicestep" in wrong.stderr
    assert "'number' is not assignable to parameter of type 'string'" in wrong.stderr
