"""Compare: many ways of merging the same models, on the same samples."""

import streamlit as st

from explorer.ui import compare, shell

shell.require()

st.title("Compare")
st.caption("Which way of merging serves these models best, what does it cost against the best of them, and is the difference more than chance?")
compare.page(shell.store())
