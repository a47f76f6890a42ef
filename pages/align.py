"""Align: put the hidden units of networks in one order, and see whether the barrier between them was only due to that order."""

import streamlit as st

from explorer.core.spec import Run
from explorer.ui.align import form as align_form
from explorer.ui.align import view as align_view
from explorer.ui.frame import head, page, shell
from explorer.ui.widgets.form_state import names_a_model

page.require()
store = shell.store()

INTRO = (
    "Two networks can compute almost the same and still be far apart: their hidden units are in a [[different order|permutation symmetry]]. An"
    " [[alignment]] permutes the units of one network until they match those of the other. Its function is unchanged, while the [[barrier]] between the two may"
    " vanish ([[re-basin]])."
)

asked = st.query_params.get("run")
status = store.status(asked) if asked else None
shown = align_form.Comparison.from_run(status.request) if status is not None and isinstance(status.request, Run) else None
if asked and shown is None:
    st.warning(
        f"There is no alignment **{asked}** in this store. It may have been computed on another machine: choose the models below and align them again;"
        " the same choice gives the same link.",
        icon=":material/link_off:",
    )

if not asked and not names_a_model() and (shown := align_form.default(store)) is not None:
    align_view.begin(shown)
with head.form("Align", INTRO, shown=align_form.summary(shown), key=shown.after(1).id if shown else ""):
    request = align_form.form(store, shown)
if request is not None:
    st.query_params.from_dict({"run": align_view.submit(request)})
    st.rerun()

if shown is not None:
    align_view.show(store, shown)
else:
    st.info(
        "Press **Align**: the barrier between the models above is measured before and after. On the sample models it takes a second or two.",
        icon=":material/join_inner:",
    )
