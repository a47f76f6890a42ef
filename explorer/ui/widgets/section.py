"""A part of a page that is also a part of its report: words, a picture, a table, and the data to download."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core.markdown import plain
from explorer.core.spec import Study
from explorer.figures.data import csv
from explorer.figures.report import Section
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell
from explorer.ui.widgets.chart_actions import chart
from explorer.ui.widgets.download import download

FINDING = 110  # letters of one on the line of a fold


def draw(section: Section, *, key: str, icon: str, expanded: bool = False) -> None:
    """The section, folded to its title and what was found."""
    with fold(section.title, section.finding, icon=icon, expanded=expanded):
        _inside(section, key)


def fold(title: str, finding: str = "", *, icon: str, expanded: bool = False) -> DeltaGenerator:
    """A part of a page that is one line until somebody opens it."""
    said = finding if len(finding) <= FINDING else f"{finding[: FINDING - 1].rstrip()}…"
    return st.expander(f"**{plain(title)}**" + (f" · {plain(said)}" if said else ""), icon=icon, expanded=expanded)


def _inside(section: Section, key: str) -> None:
    if words := section.says if len(section.finding) > FINDING else section.words:  # what stands whole on the line above is not said twice
        st.markdown(plain(words))
    if section.figure is not None:
        chart(section.figure, key=f"{key}-figure", title=section.title, stem=key, explain=plain(section.says))
    if (table := section.table) is not None:
        st.dataframe(table, hide_index=True, placeholder="", column_config={table.columns[0]: st.column_config.Column(pinned=True)})
        data, _ = st.columns([1, 4])
        with data:
            download("Data (CSV)", lambda: csv(table), f"{key}.csv", mime="text/csv", icon=":material/table:", key=f"{key}-csv")


def found(store: RunStore, request: Study) -> dict[str, object] | None:
    """What a study found, once it is done."""
    status = store.status(request.id)
    return dict(status.result) if status is not None and status.state == "done" and isinstance(status.result, dict) else None


def stands(store: RunStore, requests: Iterable[tuple[str, Study]]) -> None:
    """How studies stand, each by its title, that have found nothing yet: on their way, failed, or stopped."""
    statuses = [(title, status) for title, request in requests if (status := store.status(request.id)) is not None]
    failure.several(statuses)
    for title, status in statuses:
        if status.active:
            st.caption(f"{plain(title)}: {status.message or 'waiting for a worker'}…")
        elif status.state == "stopped":
            st.button(
                f"Resume: {plain(title)}", icon=":material/play_arrow:", on_click=shell.resume, args=(status.request,), key=f"resume-{status.id}"
            )
