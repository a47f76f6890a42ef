"""The five things one can do with a picture, in the same place under each: Explain, Compare, Data, Picture, Code."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from explorer.ui.download import download


def actions(
    *,
    key: str,
    stem: str,
    explain: str,
    compare: Callable[[], None],
    data: Callable[[], str],
    picture: Callable[[], str],
    code: str,
    link: str = "",
    more: Callable[[], None] | None = None,
) -> None:
    """A row that wraps on a narrow window. explain: the picture in words. compare: draws what it can be set beside. data: CSV; picture: HTML; stem: what
    both files are called. link: the address that brings the picture back. more: draws what only this picture offers, behind the five."""
    with st.container(horizontal=True, gap="small", key=f"{key}-actions"):
        with st.popover("Explain", icon=":material/notes:"):
            st.markdown(explain)
        with st.popover("Compare", icon=":material/compare_arrows:"):
            compare()
        download("Data", data, f"{stem}.csv", mime="text/csv", icon=":material/table:", key=f"{key}-data", width="content")
        download("Picture", picture, f"{stem}.html", mime="text/html", icon=":material/image:", key=f"{key}-picture", width="content")
        with st.popover("Code", icon=":material/code:"):
            st.code(code, language="python")
            if link:
                st.caption("This address brings the picture back:")
                st.code(link, language=None)
        if more is not None:
            more()
