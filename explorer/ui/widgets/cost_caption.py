"""One quiet line under a start button: what pressing it will take."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Run, Study
from explorer.store.estimate_cost import estimate_all
from explorer.store.run_store import RunStore

ELSEWHERE = "Network and data are objects in the Python process that measured this. What is measured is shown here; measure more there, and it appears here too."


def caption(store: RunStore, runs: Sequence[Run], studies: Sequence[Study] = ()) -> None:
    """The plan of the runs that the form stands at, and of the studies that are asked for with them; nothing while it stands at none."""
    if any(registry.is_live("nets", run.field.problem.network.name) for run in runs):
        st.caption(f":material/memory: {ELSEWHERE}")
    elif runs:
        st.caption(f":material/schedule: {_said(store, runs, studies)}")


def _said(store: RunStore, runs: Sequence[Run], studies: Sequence[Study]) -> str:
    if not studies and all((s := store.status(run.id)) is not None and s.state == "done" for run in runs) and not _goes_on(store, runs):
        return "All of this is measured already."
    try:
        plan = estimate_all(runs, store, studies)
    except Refused as refusal:
        return f"The cost cannot be estimated: {refusal}"
    if plan is None:
        return "The cost cannot be estimated: not all of these models have been inspected yet."
    if any((status := store.status(run.id)) is not None and status.active for run in runs):
        return "This has been started; what is still to be measured is shown below."
    if not plan.points and _goes_on(store, runs):
        return "All of this is measured already; more points of it are still to come, as shown below."
    if not plan.points:
        return "All of this is measured already."
    return str(plan) if plan.device else f"{plan} · a worker starts on demand"


def _goes_on(store: RunStore, runs: Sequence[Run]) -> bool:
    """Whether other runs measure the same fields at this moment, such as the refinement of a plane."""
    fields = {run.field.id for run in runs}
    return any(s.active and isinstance(s.request, Run) and s.request.field.id in fields for s in store.statuses())
