"""The front end's own pictures: where Streamlit finds their files.

The files are served from the installed distribution (the manifest is in pyproject.toml). Streamlit finds no manifest when the checkout is run without
being installed; the files' text then travels with the page instead.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from streamlit.components.v2 import component
from streamlit.errors import StreamlitAPIException

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

FRONTEND = Path(__file__).with_name("frontend")


def register(name: str) -> ComponentRenderer:
    """The component drawn by frontend/NAME.js in the style of frontend/NAME.css."""
    try:
        return component(f"explorer.{name}", js=f"{name}.js", css=f"{name}.css")
    except StreamlitAPIException:  # no manifest
        return component(f"explorer.{name}", js=script(f"{name}.js"), css=style(f"{name}.css"))


def script(file: str) -> str:
    """A script and what it imports, as one text."""
    first, *shared = _imported(file)
    exported = re.compile(r"^export (?=function|const|class)", flags=re.M)
    whole = "".join(exported.sub("", _read(one)) for one in reversed(shared)) + _read(first)
    return re.sub(r"^import .*$", "", whole, flags=re.M)


def _imported(file: str) -> list[str]:
    """A script and, each once, those it imports, behind all that import them."""
    found = [file]
    for shared in re.findall(r'^import .* from "\./(.*)";$', _read(file), flags=re.M):
        deeper = _imported(shared)
        found = [one for one in found if one not in deeper] + deeper
    return found


def style(file: str) -> str:
    """A style sheet and what it imports, as one text."""
    return re.sub(r'@import url\("\./(.*)"\);', lambda found: _read(found[1]), _read(file))


def _read(file: str) -> str:
    return (FRONTEND / file).read_text(encoding="utf-8")
