"""One study, folded away until somebody opens it: asked for, under way, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Json, ProblemSpec, Recipe, Study
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell, status_badge
from explorer.ui.frame.polling import live
from explorer.ui.widgets import method_form


def show(
    store: RunStore, problem: ProblemSpec, models: Sequence[Recipe], name: str, title: str, icon: str, draw: Callable[[Json, list[str]], None]
) -> None:
    """Its options, what it found for these models, and how it stands meanwhile. draw: (what it found, the models' names) → on the page."""
    with st.expander(title, icon=icon, key=f"{name}-study", on_change="rerun") as part:
        if not part.open:
            return
        known = "-".join(m.id for m in models)
        st.caption(registry.title("study", name))
        try:
            method = method_form.options("study", name, key=f"{name}-{known}", fields=st.container())
        except (Refused, ValueError) as refusal:
            st.error(plain(str(refusal)))
            return
        request = Study(problem, tuple(models), method)
        status = store.status(request.id)
        st.button(
            "Measure",
            icon=icon,
            on_click=shell.resume,
            args=(request,),
            key=f"{name}-go-{known}",
            disabled=status is not None and status.state == "done",
        )
        if status is not None:
            names = [m.name or m.id for m in models]
            live(_live, every=0.5, busy=status.active)(store, request, names, draw, status.active)


def _live(store: RunStore, request: Study, names: list[str], draw: Callable[[Json, list[str]], None], was_active: bool) -> None:
    status = store.status(request.id)
    if status is None:
        return
    if status.state == "failed":
        failure.show(status)
    elif status.active:
        under_way(status)
    elif status.result is not None:
        draw(status.result, names)
    if was_active != status.active:
        st.rerun()


def under_way(status: Status) -> None:
    """How far a request is, with what stops it."""
    words, button = st.columns([5, 1], vertical_alignment="center")
    with words:
        st.progress(min(status.done / status.total, 1.0) if status.total else 0.0, text=status_badge.sentence(status))
    with button:
        st.button("Stop", icon=":material/stop:", on_click=shell.stop, args=(status.id,), key=f"stop-{status.id}", width="stretch")


def added(store: RunStore, problem: ProblemSpec, models: Sequence[Recipe]) -> None:
    """The studies of packages and modules of somebody else's; what they find is shown as it is."""
    for name in registry.added("study"):
        show(store, problem, models, name, name.replace("_", " ").capitalize(), ":material/extension:", lambda found, names: _as_it_is(found))


def _as_it_is(found: Json) -> None:
    st.json(found)
