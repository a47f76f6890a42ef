"""The front end's files as texts: a script with all that it imports, a style sheet likewise, and a widget for notebooks made of both.

The files themselves are the app's (`explorer/ui/charts/frontend`), read here by their place: a notebook shows the same pictures without the app.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import explorer

FRONTEND = Path(explorer.__file__).with_name("ui") / "charts" / "frontend"
IMPORT = re.compile(r'^import\s+(?:\{(?P<names>[^}]*)\}|\*\s+as\s+(?P<all>\w+))\s+from\s+"\./(?P<file>[\w.-]+\.js)";', flags=re.M)
DECLARED = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const|let) (?P<name>\w+))", flags=re.M)
DEFAULT = re.compile(r"^export default (?=function\b)", flags=re.M)
STATEMENT = re.compile(r"^(?:import|export)\b.*|^.*\bimport\s*\(.*", flags=re.M)
COMMENT = re.compile(r"/\*.*?\*/", flags=re.S)


def script(file: str) -> str:
    """A script and what it imports, as one text without an import. Each imported module is a function of its own, so that two may use one name.

    ValueError for an import or export of another form than these: `import { a, b as c } from "./x.js";`, `import * as x from "./x.js";`, `export` before
    a function, class, const or let, and `export default function` in the script itself.
    """
    *modules, first = _in_order(file)
    return "".join(_module(one) for one in modules) + _without_imports(first, DEFAULT)


def style(file: str) -> str:
    """A style sheet and what it imports, as one text."""
    return re.sub(r'@import url\("\./(.*)"\);', lambda found: _read(found[1]), _read(file))


def widget(name: str) -> str:
    """The picture drawn by NAME.js in the style of NAME.css, as a module that anywidget loads; `frontend/notebook.js` is what joins the two."""
    picture = re.sub(DEFAULT.pattern + r"function\s*\w*", "function picture", script(f"{name}.js"), flags=re.M)
    return f"{_module('notebook.js')}{picture}\nexport default {_called('notebook.js')}.widget(picture, {json.dumps(style(f'{name}.css'))});\n"


def _in_order(file: str, above: tuple[str, ...] = ()) -> list[str]:
    """A script behind all that it imports, each once."""
    if file in above:
        raise ValueError(f"{' imports '.join((*above, file))}: modules that import each other cannot be put in order.")
    found: list[str] = []
    for line in IMPORT.finditer(_read(file)):
        found += [one for one in _in_order(line["file"], (*above, file)) if one not in found]
    return [*found, file]


def _module(file: str) -> str:
    """An imported script as a constant that holds what it exports."""
    names = [found["name"] for found in DECLARED.finditer(_read(file))]
    return f"const {_called(file)} = (() => {{\n{_without_imports(file)}\nreturn {{ {', '.join(names)} }};\n}})();\n"


def _without_imports(file: str, kept: re.Pattern[str] | None = None) -> str:
    """A script that takes what it imports from those constants, and exports nothing but what `kept` finds."""

    def line(found: re.Match[str]) -> str:
        names = found["all"] or f"{{ {found['names'].strip().replace(' as ', ': ')} }}"
        return f"const {names} = {_called(found['file'])};"

    text = DECLARED.sub("", IMPORT.sub(line, _read(file)))
    for left in STATEMENT.finditer(COMMENT.sub("", text)):
        if kept is None or not kept.match(left[0]):
            raise ValueError(f"{file} has a line that cannot be put into one text with others: {left[0]}")
    return text


def _called(file: str) -> str:
    return "from_" + re.sub(r"\W", "_", file.removesuffix(".js"))


def _read(file: str) -> str:
    return (FRONTEND / file).read_text(encoding="utf-8")
