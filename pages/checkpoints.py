"""Checkpoints: what there is to compare, what it was recognised as, and how far apart it lies."""

import streamlit as st

from explorer import glossary
from explorer.ui import checkpoint_list, shell

shell.require()
store = shell.store()

st.title("Checkpoints")
st.caption(
    "Choose among the shipped samples, or register your own: files are read where they lie, nothing in them is run, and nothing is written to them.",
    help=glossary.notes("checkpoint", "weight space", "split", "permutation symmetry"),
)

checkpoint_list.add(store)
checkpoint_list.show(store)
