"""Compare: many merging methods on the same models and the same samples."""

import streamlit as st

from explorer.core import glossary
from explorer.ui.compare import view as compare_view
from explorer.ui.frame import page, shell

page.require()

st.title("Compare")
st.caption(
    glossary.linked(
        "Which [[merging]] method works best for these models, what does it lose against the best of them, and is the difference [[more than chance|interval]]?"
    )
)
compare_view.page(shell.store())
