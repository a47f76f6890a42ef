"""What failed, why, and the button to try it again: the same wherever a page shows how work stands."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from explorer.core import allowed_folders, locations
from explorer.core.markdown import plain
from explorer.core.spec import Request
from explorer.store.job_status import Status
from explorer.store.spawn_workers import last_lines
from explorer.ui.frame import shell


def show(status: Status, *, name: str = "", key: str = "") -> None:
    """That a request failed; nothing of one that did not. `key`: for what may stand on a page twice."""
    several([(name, status)], key=key)


def several(named: Iterable[tuple[str, Status]], *, key: str = "") -> None:
    """Those of some requests that failed, each with its name; what failed for one reason is said once and tried again together."""
    reasons: dict[str, list[tuple[str, Status]]] = {}
    for name, status in named:
        if status.state == "failed":
            reasons.setdefault(status.error, []).append((name, status))
    for reason, those in reasons.items():
        names = ", ".join(dict.fromkeys(name for name, _ in those if name))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.error(f"**{plain(names)}**: {plain(reason)}" if names else plain(reason), icon=":material/error:", width="stretch")
            requests = [status.request for _, status in those]
            st.button("Try again", icon=":material/refresh:", on_click=_again, args=(requests,), key=f"again-{key}-{requests[0].id}")
    if reasons and allowed_folders.named() is None and (lines := last_lines(locations.home())):  # a server's log speaks of other people's files, too
        with st.expander("The last lines of the worker's log", icon=":material/article:"):
            st.code(lines, language=None, wrap_lines=True)


def _again(requests: list[Request]) -> None:
    for request in requests:
        shell.resume(request)
