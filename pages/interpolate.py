"""Interpolate: the straight line between two checkpoints, its barrier, and the model at any point of it."""

import streamlit as st

from explorer.core.spec import Run
from explorer.ui.frame import head, page, shell
from explorer.ui.interpolate import form as interpolate_form
from explorer.ui.interpolate import view as interpolate_view
from explorer.ui.widgets.form_state import names_a_model

page.require()
store = shell.store()

INTRO = (
    "Walk in a straight line from one [[checkpoint]] to another and measure the loss on the way. A rise above the [[line between the ends|chord]] is a"
    " [[barrier]]; without one the two are [[linearly connected|linear mode connectivity]]."
)

asked = st.query_params.get("run")
status = store.status(asked) if asked else None if names_a_model() else interpolate_form.shipped(store)
if asked and (
    status is None or not isinstance(status.request, Run) or "loss" not in status.request.field.metrics or status.request.field.chart.name != "line"
):
    st.warning(
        f"There is no run **{asked}** in this store. It may have been computed on another machine: choose the two checkpoints below and measure"
        " the line again; the same choice gives the same link.",
        icon=":material/link_off:",
    )
    status = None

with head.form("Interpolate", INTRO, shown=interpolate_form.summary(status), key=status.id if status else ""):
    request = interpolate_form.form(store, status)
if request is not None:
    st.query_params.from_dict({"run": shell.submit(request)})
    st.rerun()

if status is not None:
    interpolate_view.show(store, status.id)
else:
    st.info("Press **Explore**: the loss is measured on the line between the two models above.", icon=":material/show_chart:")
