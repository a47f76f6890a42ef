"""Checkpoints: what there is to compare, what it was recognised as, and how far apart it is."""

import streamlit as st

from explorer.core import glossary
from explorer.ui.checkpoints import view as checkpoints_view
from explorer.ui.frame import page, shell

page.require()
store = shell.store()

st.title("Checkpoints")
st.caption(
    glossary.linked(
        "Choose among the shipped samples, or register [[checkpoints|checkpoint]] of your own: files are read where they are, nothing in them is run, and"
        " nothing is written to them."
    )
)

checkpoints_view.add(store)
checkpoints_view.show(store)
