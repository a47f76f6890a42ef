"""Learn: short lessons with real experiments, the words of the field, and a tour of the app."""

import streamlit as st

from explorer.ui.frame import page, shell, tour
from explorer.ui.learn import classroom, stages, steps
from explorer.ui.learn import view as learn_view
from explorer.ui.widgets import glossary_view

VIEWS = {
    "lessons": ("Lessons", learn_view.page),
    "glossary": ("Glossary", glossary_view.page),
    "tour": ("Tour of the app", tour.page),
}

page.require()
stages.frame()
classroom.frame()

if steps.presenting() or classroom.joining():
    view = "lessons"
else:
    st.title("Learn")
    st.caption("Predict the result, run the experiment on networks that ship with the explorer, and compare. Every number below is measured here.")
    view = shell.view({name: title for name, (title, _) in VIEWS.items()})
VIEWS[view][1](shell.store())
