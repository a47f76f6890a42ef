"""Train: the way that a training takes through weight space, and the averages along it."""

import streamlit as st

from explorer.ui.frame import head, page, shell
from explorer.ui.frame.run_set import asked_runs, begin, submit
from explorer.ui.train import form as train_form
from explorer.ui.train import view as train_view
from explorer.ui.train.trajectories import Trajectory

page.require()
store = shell.store()

INTRO = (
    "[[SGD]] keeps wandering around a minimum instead of settling at its best point. An average of its [[snapshots|snapshot]] ([[SWA]],"
    " [[EMA]], [[LAWA]]) often has a lower loss than each of them."
)

runs, asked = asked_runs(store)
shown = Trajectory.from_runs(runs)
if asked and shown is None:
    st.warning(
        "This training is not in this store. Choose the snapshots, or train, below; the same choice gives the same link.", icon=":material/link_off:"
    )
if not asked and (shown := train_form.default(store)) is not None:
    begin(shown.tasks())
with head.form("Train", INTRO, shown=train_form.summary(shown), key=shown.tasks()[0].run.id if shown else ""):
    requested = train_form.form(store, shown)
if requested is not None:
    st.query_params.from_dict({"runs": submit(requested.tasks())})
    st.rerun()
if shown is not None:
    train_view.show(store, shown)
