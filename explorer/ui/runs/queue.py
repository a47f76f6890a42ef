"""What is to be done besides the runs of the list: inspections, models to be made, studies, places clicked in a picture. Each can be stopped by whoever asked for it."""

from __future__ import annotations

import streamlit as st

from explorer.core.markdown import plain
from explorer.core.spec import Run
from explorer.store.job_status import Status
from explorer.store.request_titles import title
from explorer.store.run_store import RunStore
from explorer.ui.frame import login, shell, status_badge

SHOWN = 20


def busy(store: RunStore) -> bool:
    """Whether there is any."""
    return bool(_open(store))


def show(store: RunStore, was_busy: bool) -> None:
    """One line each, with who asked for it; nothing where nothing is open."""
    found = _open(store)
    if was_busy and not found:
        st.rerun()
    if not found:
        return
    st.caption(f"Also to be done: {len(found)}")
    for status in found[:SHOWN]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{plain(title(status.request))} · {plain(status_badge.sentence(status))}{of_whom(status)}", width="stretch")
            stop(store, status, key="queue")


def _open(store: RunStore) -> list[Status]:
    return [s for s in store.open() if not (isinstance(s.request, Run) and s.request.sampler.name != "given")]


def stop(store: RunStore, status: Status, *, key: str) -> None:
    """The button; it can be pressed by whoever asked for it."""
    other = others(store, status)
    st.button(
        "Stop", icon=":material/stop:", on_click=shell.stop, args=(status.id,), key=f"{key}-{status.id}", disabled=bool(other), help=other or None
    )


def others(store: RunStore, status: Status) -> str:
    """Why this visitor may not stop or remove it, as one sees; empty where they may. The store decides (explorer.store.visitors)."""
    if store.is_asked_by(status.id, login.visitor()):
        return ""
    return f"Requested by {plain(status.owner or 'the operator of this server')}, who can stop or remove it."


def of_whom(status: Status) -> str:
    """Who asked for it, where that can be told."""
    return "" if login.visitor() is None else f" · {plain(status.owner or 'operator')}"
