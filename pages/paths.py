"""Paths: is there a way between two models on which the loss stays low, though the straight line has a barrier?"""

import streamlit as st

from explorer import glossary
from explorer.ui import conditions, many, paths_view, shell, stability

VIEWS = {
    "ways": ("Ways between two models", paths_view.page),
    "many": ("Many models", many.page),
    "conditions": ("Under conditions", conditions.page),
    "stability": ("Stability", stability.page),
}

shell.require()

st.title("Paths")
st.caption(
    glossary.linked(
        "Two networks with a [[barrier]] on the straight line between them can still lie in [[one connected valley|mode connectivity]]: a curved way leads"
        " round the mountain. [[Bend|bend]] a curve until the loss is low all along it, and compare."
    )
)
view = shell.view({name: title for name, (title, _) in VIEWS.items()})
VIEWS[view][1](shell.store())
