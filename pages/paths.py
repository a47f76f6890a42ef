"""Paths: is there a way between two models on which the loss stays low, though the straight line has a barrier?"""

import streamlit as st

from explorer.spec import Run
from explorer.ui import paths_form, paths_view, shell

shell.require()
store = shell.store()

st.title("Paths")
st.caption(
    "Two networks with a barrier on the straight line between them can still lie in one connected valley: a curved way leads round the mountain. Bend a curve"
    " until the loss is low all along it, and compare."
)

asked = [i for i in st.query_params.get("runs", "").split(",") if i]
wishes = [s.wish for s in map(store.status, asked) if s is not None and isinstance(s.wish, Run)]
shown = [paths_form.Way(paths_form.name_of(run), run) for run in wishes if "loss" in run.field.metrics and len(run.field.corners) >= 2]
if len(shown) < len(asked):
    st.warning(
        "Some ways of this address are not in this store. They may have been computed on another machine: choose the two ends and compare again; the same"
        " choice gives the same address.",
        icon=":material/link_off:",
    )

ways = paths_form.form(store, shown)
if ways:
    st.query_params.from_dict({"runs": paths_view.want(ways)})
    st.rerun()

if shown:
    paths_view.show(store, shown)
else:
    st.info(
        "Press **Compare**: the straight line is measured, and a curve with one bend is trained. On the sample models it takes some seconds.",
        icon=":material/route:",
    )
