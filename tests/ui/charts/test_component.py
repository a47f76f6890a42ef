"""The front end's files as one text each: what a checkout shows that is not installed."""

import re

import pytest

from explorer.ui.charts.component import FRONTEND, script, style


@pytest.mark.parametrize("file", ["curve.js", "plane.js", "neurons.js"])
def test_a_script_carries_all_that_it_imports(file):
    """No import is left, every imported name is defined, and there is one default export."""
    wanted = re.findall(r"^import \{(.*)\} from", (FRONTEND / file).read_text(encoding="utf-8"), flags=re.M)[0].replace(" ", "").split(",")
    whole = script(file)
    assert not re.search(r"^import ", whole, flags=re.M)
    assert re.findall(r"^export (\w+)", whole, flags=re.M) == ["default"]
    for name in wanted:
        assert len(re.findall(rf"^(?:function|const) {name}\b", whole, flags=re.M)) == 1


def test_a_style_sheet_carries_what_it_imports():
    """The plane is drawn in the style of the curve."""
    assert "@import" not in style("plane.css")
    assert ".curve .readout" in style("plane.css")
