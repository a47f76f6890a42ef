"""The front end's files put into one text: scopes stay apart, what cannot be put in is refused, and a widget is a module of its own."""

from __future__ import annotations

import json
import re
import subprocess

import deno
import numpy as np
import pytest

from explorer.figures import frontend, told
from explorer.figures.curve import Curve
from explorer.figures.plane import Marker, Surface


def run(module: str, folder) -> str:
    """What a module prints."""
    (folder / "whole.js").write_text(module, encoding="utf-8")
    done = subprocess.run([deno.find_deno_bin(), "run", "--quiet", folder / "whole.js"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A front end of the test's own."""
    monkeypatch.setattr(frontend, "FRONTEND", tmp_path)

    def write(**texts: str) -> None:
        for name, text in texts.items():
            (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")

    return write


def test_modules_keep_their_own_names(files, tmp_path):
    """Two with a constant of one name, a module that two import and that runs once, a name that is imported as another, and a whole module."""
    files(
        shared='console.log("once");\nexport const step = 2;\nconst last = 10;\nexport const ten = () => last;\n',
        left='import { step } from "./shared.js";\nconst last = 1;\nexport function left() {\n  return step + last;\n}\n',
        right='import {\n  step as width,\n} from "./shared.js";\nconst last = 3;\nexport class Right {\n  value = width * last;\n}\n',
        entry=(
            'import { left } from "./left.js";\nimport { Right } from "./right.js";\nimport * as shared from "./shared.js";\nconst last = 5;\n'
            "export default function () {\n  return [left(), new Right().value, shared.ten(), last];\n}\n"
        ),
    )
    whole = re.sub("^export default function", "function entry", frontend.script("entry.js"), flags=re.M)
    assert run(whole + "console.log(JSON.stringify(entry()));", tmp_path) == "once\n[3,6,10,5]\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('import three from "https://example.org/three.js";', r"entry\.js has a line .* import three"),
        ('export { one } from "./other.js";', r"entry\.js has a line .* export \{ one"),
        ('const later = () => import("./other.js");', r"entry\.js has a line .* const later"),
        ('import { entry } from "./entry.js";', r"entry\.js imports entry\.js"),
    ],
)
def test_what_cannot_be_put_into_one_text_is_refused(files, line, said):
    """By its line: nothing is dropped in silence, and nothing is asked of the network."""
    files(entry=f"{line}\nexport default function () {{}}\n")
    with pytest.raises(ValueError, match=said):
        frontend.script("entry.js")


@pytest.mark.parametrize("name", ["curve", "plane"])
def test_a_widget_is_a_module_without_imports_that_has_a_render(name, tmp_path):
    """As anywidget loads it: a default export with `render`, the style inside, and nothing to fetch."""
    whole = frontend.widget(name)
    assert "@import" not in whole and not re.search(r"^import\b", whole, flags=re.M)
    assert [line for line in whole.splitlines() if line.startswith("export")] == [whole.splitlines()[-1]]
    assert ".curve .readout" in whole
    (tmp_path / "widget.js").write_text(whole, encoding="utf-8")
    assert run('import widget from "./widget.js";\nconsole.log(Object.keys(widget).join(), typeof widget.render);\n', tmp_path) == "render function\n"


def test_what_is_told_is_json():
    """Values that are not finite go as null, also of the chord; NaN is not valid JSON."""
    t = np.array([0.0, 0.5, 1.0])
    line = told.curves([Curve("a", t[::-1], np.array([1.0, np.nan, 2.0]), chord=(float("inf"), 1.0))], key="k", x_title="t", y_title="loss", alt="")
    (drawn,) = json.loads(json.dumps(line, allow_nan=False))["curves"]
    assert drawn["x"] == [0, 0.5, 1] and drawn["y"] == [2, None, 1] and drawn["chord"] is None
    grid = Surface(t, t[:2], np.array([[1.0, np.nan, 2.0], [3.0, 4.0, 5.0]]), np.array([[False, True, False], [False] * 3]))
    plane = json.loads(json.dumps(told.plane(grid, [Marker("a", 0, 0)], [], key="k", z_title="loss", alt=""), allow_nan=False))
    assert plane["z"] == [[1, None, 2], [3, 4, 5]] and plane["lost"] == [[1, 0]] and plane["dots"] is None
