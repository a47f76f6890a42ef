"""What one can do with a picture: Explain, Compare, Data, Picture, Code.

The main picture of a page has them as a row under it; every other one behind one quiet button in its corner, filled only when it is opened.
Both stand in a container that is called after the picture they belong to, which is how a test finds a picture without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core.markdown import plain, spoken
from explorer.figures import curve as curve_figure
from explorer.figures import data, numbers
from explorer.figures.mesh import Mesh
from explorer.figures.on_page import on_page
from explorer.ui.frame.polling import apart
from explorer.ui.widgets import python_source as sources
from explorer.ui.widgets.download import download
from explorer.ui.widgets.paper_form import mesh_form, paper_form

QUIET: dict[str, object] = {"displaylogo": False}
DEPTH = 380  # pixels of what opens in a corner; it scrolls


@dataclass(frozen=True)
class _Taken:
    """key: of the drawn element. stem: what files are called."""

    key: str
    stem: str
    figure: Callable[[], go.Figure] | None
    table: Callable[[], pd.DataFrame]
    page: Callable[[], str]
    link: str = ""
    grid: Callable[[], Mesh] | None = None


def actions(
    *,
    key: str,
    stem: str,
    explain: str,
    compare: Callable[[], None],
    code: str,
    table: Callable[[], pd.DataFrame],
    figure: Callable[[], go.Figure] | None = None,
    page: Callable[[], str] | None = None,
    link: str = "",
    more: Callable[[], None] | None = None,
    grid: Callable[[], Mesh] | None = None,
) -> None:
    """A row that wraps on a narrow window. key: the picture's own. explain: it in words. compare: draws what it can be set beside. stem: what files are
    called. page: it as one HTML file where that is more than the figure, or several. link: the address that brings it back. more: what only it offers. grid: a plane as a mesh."""
    whole = page or (lambda: curve_figure.html(figure()) if figure is not None else "")
    taken = _Taken(key, stem, figure, table, whole, link, grid)
    with st.container(horizontal=True, gap="small", key=f"{key}-actions"):
        with st.popover("Explain", icon=":material/notes:"):
            st.markdown(explain)
        with st.popover("Compare", icon=":material/compare_arrows:"):
            compare()
        with st.popover("Data", icon=":material/table:"):
            _data(taken)
        with st.popover("Picture", icon=":material/image:"):
            _picture(taken)
        with st.popover("Code", icon=":material/code:"):
            _code(code, link)
        if more is not None:
            more()


@apart
def corner(
    *,
    key: str,
    stem: str,
    title: str,
    figure: Callable[[], go.Figure],
    explain: str = "",
    code: str = "",
    compare: Callable[[], None] | None = None,
) -> None:
    """The same for a picture beside others, behind one button. title: what the picture shows. Without words of its own it is told by its numbers;
    without code, the code draws it from its file."""
    with st.container(horizontal=True, horizontal_alignment="right", key=f"{key}-actions"):
        with st.container(key=f"corner-{key}", width="content"):
            opened = st.popover(
                f"Explain, data, picture, code: {plain(title)}", icon=":material/more_horiz:", type="tertiary", key=f"{key}-more", on_change="rerun"
            )
        inside = opened.container(height=DEPTH, border=False)  # of one size from the start, so that it opens upwards where there is no room below
        if not opened.open:
            return
        taken = _Taken(key, stem, figure, lambda: numbers.table(figure()), lambda: curve_figure.html(figure()))
        with inside:
            st.markdown(f"**{plain(title)}**")
            st.markdown(explain or numbers.words(figure()))
            if compare is not None:
                compare()
            _data(taken)
            _picture(taken)
            _code(code or sources.drawn(stem), "")


def chart(
    figure: go.Figure,
    *,
    key: str,
    title: str,
    stem: str,
    explain: str = "",
    code: str = "",
    compare: Callable[[], None] | None = None,
    config: dict[str, object] = QUIET,
    on_pick: Callable[[int], None] | None = None,
) -> None:
    """A Plotly figure with its corner. on_pick: called with what a mark that is clicked has as customdata, a whole number."""

    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if on_pick is not None and points and (named := np.ravel(points[0].get("customdata", ()))).size:
            on_pick(int(named[0]))

    shown = on_page(figure, dark=st.context.theme.type == "dark")
    if on_pick is None:
        st.plotly_chart(shown, key=key, config=config, alt=spoken(explain) or title)
    else:
        st.plotly_chart(shown, key=key, config=config, alt=spoken(explain) or title, on_select=picked, selection_mode="points")
    corner(key=key, stem=stem, title=title, figure=lambda: figure, explain=explain, code=code, compare=compare)


def _data(taken: _Taken) -> None:
    """What is drawn, as a file for a table, for a data frame, for arrays, and for Plotly."""
    forms: list[tuple[str, Callable[[], str | bytes], str]] = [
        (name, partial(_written, taken.table, name.lower()), data.FORMS[name.lower()]) for name in ("CSV", "Parquet", "NPZ")
    ]
    if (figure := taken.figure) is not None:
        forms.append(("JSON", lambda: str(figure().to_json()), "application/json"))
    else:
        forms.append(("JSON", lambda: str(taken.table().to_json(orient="records")), "application/json"))
    with st.container(horizontal=True, gap="small"):
        for form, made, mime in forms:
            name = f"{taken.stem}.{form.lower()}"
            download(form, made, name, mime=mime, icon=":material/table:", key=f"{taken.key}-{form}", width="content")


def _written(table: Callable[[], pd.DataFrame], form: str) -> bytes:
    return data.written(table(), form)


def _picture(taken: _Taken) -> None:
    """It for a paper or a slide, drawn after the click, and as a page."""
    paper_form(taken.figure, taken.page, key=taken.key, stem=taken.stem, link=taken.link)
    if taken.grid is not None:
        mesh_form(taken.grid, key=taken.key, stem=taken.stem)


def _code(code: str, link: str) -> None:
    st.code(code, language="python")
    if link:
        st.caption("This link restores the picture:")
        st.code(link, language=None)
