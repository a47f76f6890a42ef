"""Soup: which models make a good average, what each of them is worth, and how good a soup of one's own choice is."""

import streamlit as st

from explorer.ui import shell, soup

shell.require()

st.title("Soup")
st.caption(
    "The average of several fine-tuned models can be better than each of them. Taste ingredients: what every one is worth, and which to leave out."
)
soup.page(shell.store())
