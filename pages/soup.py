"""Soup: which models make a good average, what each of them is worth, and how good a soup of one's own choice is."""

import streamlit as st

from explorer import glossary
from explorer.ui import shell, soup

shell.require()

st.title("Soup")
st.caption(
    glossary.linked(
        "The average of several fine-tuned models, a [[model soup]], can be better than each of them where all lie in one [[basin]]. Taste ingredients: what"
        " every one is worth, and which the [[greedy soup]] leaves out."
    )
)
soup.page(shell.store())
