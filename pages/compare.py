"""Compare: many ways of merging the same models, on the same samples."""

import streamlit as st

from explorer.core import glossary
from explorer.ui.compare import view as compare_view
from explorer.ui.frame import page, shell

page.require()

st.title("Compare")
st.caption(
    glossary.linked(
        "Which way of [[merging]] serves these models best, what does it cost against the best of them, and is the difference [[more than chance|interval]]?"
    )
)
compare_view.page(shell.store())
