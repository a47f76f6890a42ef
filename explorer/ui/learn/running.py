"""A lesson's experiment while it is run: the button, how far it is, and the way on."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from explorer.core.spec import Run, Study
from explorer.store.run_store import RunStore
from explorer.ui.frame import query_state, run_set, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import active
from explorer.ui.learn.steps import LessonStep, go

POLL_S = 0.3


@dataclass(frozen=True)
class Part:
    """One of a lesson's runs and studies, and what it is called."""

    name: str
    run: Run | Study


def requested(store: RunStore, parts: list[Part]) -> bool:
    """Whether somebody has asked for all of it."""
    return all(store.status(p.run.id) is not None for p in parts)


def done(store: RunStore, parts: list[Part]) -> bool:
    """Whether all of it is measured."""
    return all((s := store.status(p.run.id)) is not None and s.state == "done" for p in parts)


def follow(store: RunStore, here: LessonStep, parts: list[Part]) -> None:
    """The button to run, then how far it is, then the way on."""
    busy = active(store, parts)
    live(_progress, every=POLL_S, busy=busy)(store, here, parts, busy)


def _progress(store: RunStore, here: LessonStep, parts: list[Part], was_busy: bool) -> None:
    busy = active(store, parts)
    if not requested(store, parts):
        st.button("Run the experiment", type="primary", icon=":material/play_arrow:", on_click=_submit, args=(parts,), key="learn-run")
    elif done(store, parts):
        st.success("Measured.", icon=":material/check:")
        st.button("See the result", type="primary", icon=":material/visibility:", on_click=go, args=(here.name, "see", here.on), key="learn-see")
    else:
        run_set.progress(store, parts, key="learn")
    if was_busy != busy:
        st.rerun()
    if busy:
        shell.tend()


def _submit(parts: list[Part]) -> None:
    run_set.submit(parts)


def on_which(here: LessonStep, step: str) -> None:
    """Which of the shipped models the experiment is run on."""
    if len(here.lesson.variants) < 2:
        return
    key = f"learn-on-{here.key}"

    def chosen() -> None:
        if (on := query_state.moved(key, here.on)) is not None:
            go(here.name, step, on)

    st.selectbox(
        "Run it on", range(len(here.lesson.variants)), index=here.on, format_func=here.lesson.variants.__getitem__, key=key, on_change=chosen
    )
