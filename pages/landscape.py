"""Landscape: what a plane through weight space looks like, and which model stands at each of its places."""

import streamlit as st

from explorer.core import registry
from explorer.ui.frame import head, page, shell
from explorer.ui.frame.run_set import asked_runs
from explorer.ui.landscape import form as landscape_form
from explorer.ui.landscape import view as landscape_view
from explorer.ui.landscape import volume
from explorer.ui.widgets.form_state import names_a_model

page.require()
store = shell.store()

INTRO = "The [[loss|loss landscape]] on a [[plane]] through three models, around one, or closest to many, or in a volume of three dimensions. Distances are to scale. Click any point to inspect that model."

runs, asked = asked_runs(store)
planes = [run for run in runs if registry.has_window(run.field.chart.name)]
boxes = [run for run in runs if volume.can(run)]
shown = boxes[:1] or planes
if len(planes) + len(boxes) < asked:
    st.warning("Some pictures in this link are not in this store. Choose the models and draw again.", icon=":material/link_off:")
if not asked and not names_a_model() and (first := landscape_form.default(store)) is not None:
    if store.status(first.id) is None:
        landscape_view.want_all([first])
    shown = [first]
with head.form("Landscape", INTRO, shown=landscape_form.summary(shown), key="-".join(run.id for run in shown)):
    wanted = landscape_form.form(store, shown)
if wanted:
    st.query_params.from_dict({"runs": volume.want(wanted[0]) if volume.can(wanted[0]) else landscape_view.want_all(wanted)})
    st.rerun()
if boxes:
    volume.show(store, shown[0])
elif shown:
    landscape_view.show(store, shown)
else:
    st.info("Press **Draw**: a coarse picture comes first, and points are added where they are needed.", icon=":material/landscape:")
