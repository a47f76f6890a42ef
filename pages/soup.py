"""Soup: which models make a good average, what each of them is worth, and how good a soup of one's own choice is."""

import streamlit as st

from explorer.core import glossary
from explorer.ui.frame import page, shell
from explorer.ui.soup import view as soup_view

page.require()

st.title("Soup")
st.caption(
    glossary.linked(
        "The average of several fine-tuned models, a [[model soup]], can be better than each of them where all lie in one [[basin]]. See"
        " what each ingredient contributes, and which the [[greedy soup]] leaves out."
    )
)
soup_view.page(shell.store())
