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
    text = _read(file)
    for shared in re.findall(r'^import .* from "\./(.*)";$', text, flags=re.M):
        text = re.sub(r"^export (?=function|const)", "", _read(shared), flags=re.M) + text
    return re.sub(r"^import .*$", "", text, flags=re.M)


def style(file: str) -> str:
    """A style sheet and what it imports, as one text."""
    return re.sub(r'@import url\("\./(.*)"\);', lambda found: _read(found[1]), _read(file))


def _read(file: str) -> str:
    return (FRONTEND / file).read_text(encoding="utf-8")
