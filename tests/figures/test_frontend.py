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


@pytest.mark.parametrize("guess", [None, [[True, True, False], [False, True, False]]])
def test_a_plane_is_told_in_bytes_and_read_as_it_was(guess, tmp_path):
    """By the app, which packs all of it, at any place of a message; and by a notebook, which gets the values beside the rest: each value, what diverged and what was measured."""
    x = np.array([0.0, 0.5, 1.0])
    grid = Surface(
        x, x[:2], np.array([[1.5, np.nan, np.inf], [-3e-9, 4.0, 5.0]]), np.array([[False, True, False], [False] * 3]), guess and np.array(guess)
    )
    data = told.plane(grid, [Marker("ä", 0, 0)], [], key="k", z_title="loss", alt="")
    whole = told.packed(data)
    views = {name: list(value) for name, value in data.items() if isinstance(value, bytes)}
    plain = {name: value for name, value in data.items() if not isinstance(value, bytes)}
    script = f"""
import {{ unpacked }} from "{frontend.FRONTEND.as_uri()}/packed.js";
const sent = Uint8Array.from([7, ...{list(whole)}]).subarray(1);
const parts = Object.fromEntries(Object.entries({json.dumps(views)}).map(([name, bytes]) => [name, new DataView(Uint8Array.from(bytes).buffer)]));
console.log(JSON.stringify([unpacked(sent), unpacked({{ ...{json.dumps(plain)}, ...parts }})].map(({{ z, lost, dots, markers }}) => [z, lost, dots, markers[0].name])));
"""
    app, notebook = json.loads(run(script, tmp_path))
    z, lost, dots, name = app
    assert app == notebook
    assert z == [[1.5, None, None], [pytest.approx(-3e-9), 4, 5]] and lost == [[1, 0]] and name == "ä"
    assert dots == (None if guess is None else [[2, 0], [0, 1], [2, 1]])


def test_a_large_plane_is_a_few_bytes_a_cell():
    """Five, and what is said besides."""
    x = np.linspace(0, 1, 401)
    grid = Surface(x, x, np.add.outer(x, x), np.zeros((401, 401), dtype=bool))
    assert len(told.packed(told.plane(grid, [], [], key="k", z_title="loss", alt=""))) < 5 * 401**2 + 30_000
