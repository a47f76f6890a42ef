"""Soup: which models make a good average, what each of them is worth, and how good a soup of one's own choice is."""

import streamlit as st

from explorer import glossary
from explorer.ui import shell, soup

shell.require()

st.title("Soup")
st.caption(
    "The average of several fine-tuned models can be better than each of them. Taste ingredients: what every one is worth, and which to leave out.",
    help=glossary.notes("model soup", "greedy soup", "basin", "split"),
)
soup.page(shell.store())
