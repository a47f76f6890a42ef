"""Several runs that belong to one picture: requested together, brought back by one address, stopped and resumed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import streamlit as st

from explorer.core import splits
from explorer.core.markdown import plain
from explorer.core.spec import NamedTestSet, Run, Study
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell, status_badge


class Asked(Protocol):
    """A run, or a study beside it, and what it is called in its picture."""

    @property
    def name(self) -> str: ...
    @property
    def run(self) -> Run | Study: ...


class Named(Asked, Protocol):
    """A run, and what it is called in its picture."""

    @property
    def run(self) -> Run: ...


def submit(several: Sequence[Asked]) -> str:
    """Request for all of them; what brings them back in an address."""
    for one in several:
        shell.submit(one.run)
    return ",".join(one.run.id for one in several)


def begin(several: Sequence[Asked]) -> None:
    """Request for what a first visit shows, where nobody has yet, to be done when nothing else is to do."""
    for one in several:
        if shell.store().status(one.run.id) is None:
            shell.submit(one.run, idle=True)


def asked_runs(store: RunStore) -> tuple[list[Run], int]:
    """The runs of the address that this store knows, and how many the address names."""
    asked = [i for i in st.query_params.get("runs", "").split(",") if i]
    runs = [s.request for s in map(store.status, asked) if s is not None and isinstance(s.request, Run)]
    named = {p.id: p.tests for facts in store.checkpoints() if (p := facts.problem) is not None and p.tests} if runs else {}
    return [_with_tests(run, named.get(run.field.problem.id, ())) for run in runs], len(asked)


def _with_tests(run: Run, tests: tuple[NamedTestSet, ...]) -> Run:
    """The run, its problem with the test sets that it names today: they are no part of its id, so it may have been asked for before there were any."""
    if not tests or run.field.split not in splits.OWN:
        return run
    return replace(run, field=replace(run.field, problem=replace(run.field.problem, tests=tests)))


def active(store: RunStore, several: Sequence[Asked]) -> bool:
    """Whether any of them is still going to change."""
    return any(s is not None and s.active for s in (store.status(one.run.id) for one in several))


def progress(store: RunStore, several: Sequence[Asked], *, key: str) -> None:
    """How far they are, what failed, and the buttons to stop them, to go on or to try again."""
    statuses = [(one, status) for one in several if (status := store.status(one.run.id)) is not None]
    failure.several(((one.name, status) for one, status in statuses), key=key)
    busy = [(one, status) for one, status in statuses if status.active]
    if busy:
        words, button = st.columns([5, 1], vertical_alignment="center")
        one, status = next(((o, s) for o, s in busy if s.state == "running"), busy[0])
        with words:
            st.progress(
                _share(status),
                text=f"{plain(one.name)}: {status_badge.sentence(status)}" + (f" · {len(busy) - 1} more waiting" if len(busy) > 1 else ""),
            )
        with button:
            st.button("Stop", icon=":material/stop:", on_click=shell.stop, args=tuple(s.id for _, s in busy), key=f"{key}-stop", width="stretch")
    elif len(statuses) < len(several) or any(s.state == "stopped" for _, s in statuses):
        words, button = st.columns([5, 1], vertical_alignment="center")
        with words:
            st.caption("Stopped. What was trained and measured is kept." if statuses else "This has not been computed here yet.")
        with button:
            st.button("Resume", icon=":material/play_arrow:", on_click=_resume, args=(several,), key=f"{key}-resume", width="stretch")


def _share(status: Status) -> float:
    return min(status.done / status.total, 1.0) if status.total else 0.0


def _resume(several: Sequence[Asked]) -> None:
    submit(several)
