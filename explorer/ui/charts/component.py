"""The front end's own pictures: where Streamlit finds their files.

The files are served from the installed distribution (the manifest is in pyproject.toml). Streamlit finds no manifest when the checkout is run without
being installed; the files' text then travels with the page instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlit.components.v2 import component
from streamlit.errors import StreamlitAPIException

from explorer.figures.frontend import script, style

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


def register(name: str) -> ComponentRenderer:
    """The component drawn by frontend/NAME.js in the style of frontend/NAME.css."""
    try:
        return component(f"explorer.{name}", js=f"{name}.js", css=f"{name}.css")
    except StreamlitAPIException:  # no manifest
        return component(f"explorer.{name}", js=script(f"{name}.js"), css=style(f"{name}.css"))
