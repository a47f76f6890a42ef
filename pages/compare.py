"""Compare: many ways of merging the same models, on the same samples."""

import streamlit as st

from explorer import glossary
from explorer.ui import compare, shell

shell.require()

st.title("Compare")
st.caption(
    glossary.linked(
        "Which way of [[merging]] serves these models best, what does it cost against the best of them, and is the difference [[more than chance|interval]]?"
    )
)
compare.page(shell.store())
