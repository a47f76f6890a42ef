"""A picture for a paper or a slide, and a relief as a mesh: what for, on which paper, how wide, and one button. Nothing is drawn before the click."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import plotly.graph_objects as go
import streamlit as st

from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.figures import mesh
from explorer.figures.mesh import Mesh
from explorer.figures.paper import export
from explorer.figures.paper.presets import FORMATS, PRESETS, THEMES
from explorer.ui.frame.polling import apart
from explorer.ui.widgets.download import download

MESHES = {"obj": "OBJ", "glb": "glTF", "vtp": "VTK"}


@apart
def paper_form(figure: Callable[[], go.Figure] | None, page: Callable[[], str], *, key: str, stem: str, link: str = "") -> None:
    """PDF, SVG, PNG, or the page to point at. stem: what the file is called; link: where it came from, for the file's own description."""
    drawn = figure is not None and find_spec("matplotlib") is not None
    if figure is not None and not drawn:
        st.caption(export.INSTALL)
    forms = [*(FORMATS if drawn else ()), "html"]
    left, right = st.columns(2)
    with left:
        form = st.segmented_control("Format", forms, format_func=str.upper, default=forms[0], required=True, key=f"{key}-format") or forms[0]
    if figure is None or form == "html":
        download("Download", page, f"{stem}.html", mime="text/html", icon=":material/download:", key=f"{key}-html", width="content")
        return
    with right:
        preset = st.selectbox("For", list(PRESETS), format_func=lambda name: PRESETS[name].title, key=f"{key}-preset")
    left, right = st.columns(2)
    with left:
        theme = st.selectbox("Paper", list(THEMES), format_func=lambda name: THEMES[name].title, key=f"{key}-theme")
    with right:
        width = st.number_input(
            "Width (in)",
            0.5,
            export.WIDEST,
            PRESETS[preset].width,
            0.05,
            key=f"{key}-width-{preset}",
            help="Letters keep their size; a PNG has 300 dpi.",
        )
    refused: dict[str, str] = st.session_state.setdefault(f"{key}-refused", {})  # by what was asked for

    def made() -> bytes:
        try:
            return export.image(figure(), form, preset=preset, theme=theme, width=width, source=link)
        except Refused as refusal:
            refused[str((preset, width))] = str(refusal)
            raise

    if why := refused.get(str((preset, width))):  # the click has only been told that there is no file
        st.error(plain(why))
    download("Download", made, f"{stem}.{form}", mime=FORMATS[form], icon=":material/download:", key=f"{key}-{form}", width="content")


@apart
def mesh_form(made: Callable[[], Mesh], *, key: str, stem: str) -> None:
    """A relief for Blender and ParaView."""
    st.caption("The relief as a mesh, for Blender (glTF, OBJ) and ParaView (VTK):")
    with st.container(horizontal=True, gap="small"):
        for form, name in MESHES.items():
            download(
                name, partial(_meshed, made, form), f"{stem}.{form}", mime=mesh.FORMS[form], icon=":material/deployed_code:", key=f"{key}-{form}", width="content"
            )  # fmt: skip


def _meshed(made: Callable[[], Mesh], form: str) -> bytes:
    return mesh.written(made(), form)
