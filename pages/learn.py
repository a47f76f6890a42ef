"""Learn: short lessons with real experiments, the words of the field, and a tour of the app."""

import streamlit as st

from explorer.ui import glossary_view, learn, shell, tour

VIEWS = {
    "lessons": ("Lessons", learn.page),
    "glossary": ("Glossary", glossary_view.page),
    "tour": ("Tour of the app", tour.page),
}

shell.require()
learn.frame()

st.title("Learn")
if not learn.presenting():
    st.caption("Predict, run the real experiment on networks that ship with the explorer, and see. Every number below is measured here.")
    view = shell.view({name: title for name, (title, _) in VIEWS.items()})
else:
    view = "lessons"
VIEWS[view][1](shell.store())
