"""Runs: everything that was requested here, how it stands, and the way back to it."""

import streamlit as st

from explorer.ui.frame import page, shell
from explorer.ui.runs import view as runs_view

page.require()

st.title("Runs")
st.caption(
    "Everything that was measured here, requested or shipped. Points are kept: opening a run again costs nothing, and a stopped one resumes where it stopped."
)

runs_view.show(shell.store())
