"""The words of the field, one definition each."""

from __future__ import annotations

import streamlit as st

from explorer.core import glossary
from explorer.store.run_store import RunStore


def page(store: RunStore) -> None:
    """All terms in alphabetical order, or those in which a word occurs: that of the address, where a term led here."""
    wanted = st.text_input("Search", st.query_params.get("term", ""), key="glossary-search", placeholder="barrier").strip().lower()
    found = {t: d for t, d in sorted(glossary.TERMS.items(), key=lambda pair: pair[0].lower()) if wanted in f"{t} {d}".lower()}
    if not found:
        st.info("No term contains this. The papers of the field are cited at the end of every lesson.", icon=":material/search_off:")
    for term, definition in found.items():
        st.markdown(f"**{term}**  \n{definition}")
