"""Checkpoints: what there is to compare, what it was recognised as, and how far apart it lies."""

import streamlit as st

from explorer import glossary
from explorer.ui import checkpoint_list, shell

shell.require()
store = shell.store()

st.title("Checkpoints")
st.caption(
    glossary.linked(
        "Choose among the shipped samples, or register [[checkpoints|checkpoint]] of your own: files are read where they lie, nothing in them is run, and"
        " nothing is written to them."
    )
)

checkpoint_list.add(store)
checkpoint_list.show(store)
