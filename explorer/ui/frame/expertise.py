"""Beginner or expert: whether pages offer what only an expert changes, such as precision, batch-norm statistics, samplers and further definitions.

What is hidden keeps the value of the picture that is shown, so that a link from an expert shows a beginner the same.
"""

from __future__ import annotations

import streamlit as st

KEY = "expert"


def switch() -> None:
    """Draw the switch in the sidebar; it holds for the session."""
    st.sidebar.toggle(
        "Expert options",
        key=KEY,
        persist_state="session",
        help="Forms also offer precision, batch-norm statistics and the choice of points; results also show other definitions of the same number.",
    )


def on() -> bool:
    """Whether the person is an expert."""
    return bool(st.session_state.get(KEY, False))
