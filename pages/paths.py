"""Paths: is there a path between two models along which the loss stays low, though the straight line has a barrier?"""

import streamlit as st

from explorer.core import glossary
from explorer.ui.frame import page, shell
from explorer.ui.paths import all_pairs, conditions, stability
from explorer.ui.paths import view as paths_view

VIEWS = {
    "ways": ("Paths between two models", paths_view.page),
    "many": ("Many models", all_pairs.page),
    "conditions": ("Under conditions", conditions.page),
    "stability": ("Stability", stability.page),
}

page.require()

st.title("Paths")
st.caption(
    glossary.linked(
        "Two networks with a [[barrier]] on the straight line between them can still lie in [[one connected valley|mode connectivity]]: a curved path"
        " goes around the barrier. [[Bend|bend]] a curve until the loss is low all along it, and compare."
    )
)
view = shell.view({name: title for name, (title, _) in VIEWS.items()})
VIEWS[view][1](shell.store())
