"""The room that runs take: of one of them, and of the whole store, with what may go."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Loaded, Recipe, Run
from explorer.store import made_models
from explorer.store.job_status import Status
from explorer.store.made_models import MadeFile
from explorer.store.portable import ENDING, export_run, import_runs
from explorer.store.run_store import RunStore
from explorer.store.upkeep import Progress, shown_size, size_of
from explorer.ui.frame import login, shell
from explorer.ui.widgets.download import download


def takes(store: RunStore, run: Run) -> str:
    """What a run takes, in a sentence; empty for nothing."""
    points = store.bytes_of_fields([run.field.id]).get(run.field.id, 0)
    made = sum(path.stat().st_size for c in run.field.corners if (path := _file(store, c)) is not None and path.is_file())
    parts = [f"{shown_size(points)} of points"] * bool(points) + [f"{shown_size(made)} of models that were made for it"] * bool(made)
    stays = "; pinned" if run.field.id in store.pinned() else ""
    return f"Takes {' and '.join(parts)}{stays}." if parts else ""


def _file(store: RunStore, recipe: Recipe) -> Path | None:
    return None if isinstance(recipe, Loaded) else locations.made_at(recipe, store.path.parent)


def buttons(store: RunStore, status: Status) -> None:
    """What can be done with a finished run and its points."""
    run = status.request
    assert isinstance(run, Run)
    if status.state != "done":
        return
    pinned = run.field.id in store.pinned()
    st.button(
        "Unpin" if pinned else "Pin",
        icon=":material/keep_off:" if pinned else ":material/keep:",
        on_click=shell.pin,
        args=(run.field.id, not pinned),
        key=f"pin-{status.id}",
        disabled=not store.is_asked_by(status.id, login.visitor()),
        help="Pinned points stay, whatever the limit of the store.",
    )
    download(
        "Export", lambda: _exported(store, status.id), f"run-{status.id}{ENDING}", key=f"export-{status.id}", icon=":material/upload_file:",
        mime="application/vnd.sqlite3", width="content",
    )  # fmt: skip


def _exported(store: RunStore, id: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"run{ENDING}"
        export_run(store, id, path)
        return path.read_bytes()


def show(store: RunStore) -> None:
    """How full the store is, and what can be done about it."""
    room = store.room()
    st.caption(" ".join(room.said()))
    if room.limit is not None and room.used > 0.9 * room.limit:
        if store.next_to_go():
            st.warning(
                "Before the limit is passed, the points of the runs that nobody opened for longest go. Pin those that must stay, or raise the limit."
            )
        elif room.used > room.limit:
            st.warning(
                "Nothing more may go: all points are pinned, shipped, or were measured or opened within a day. Remove runs and sweep, or raise the limit."
            )
    if login.visitor() is not None:  # the store as a whole is the operator's
        return
    with st.expander("Store", icon=":material/database:", key="store", on_change="rerun") as part:
        if not part.open:
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if st.button(
                "Sweep",
                icon=":material/mop:",
                disabled=not room.forgotten,
                help="Removes points of runs that were taken off the list, unless another run needs them.",
            ):
                _carried_out("Sweeping", store.sweep, "{} of points removed.")
            if st.button("Compact", icon=":material/compress:", help="Gives the room that was freed back to the disk; not while something runs."):
                _carried_out("Compacting", store.compact, "The file is smaller by {}.")
            if st.button("Models", icon=":material/deployed_code:", help="Lists models that were made for runs of which none is listed any more."):
                _models(store)
            limit = st.text_input(
                "Limit", value="" if room.limit is None else shown_size(room.limit), placeholder="none, or 20 GB", key="limit", width=160
            )
            if st.button("Set", key="set-limit", disabled=limit == ("" if room.limit is None else shown_size(room.limit))):
                _bound(store, limit)
        if store.roots is None:  # whoever else is let in brings no files
            _import(store)


@st.dialog("Models that no run needs", width="large")
def _models(store: RunStore) -> None:
    """What may go, before any of it goes."""
    try:
        found = made_models.unneeded(store)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    if not found:
        st.caption("There is none that is older than a day.")
        return
    st.caption(
        "They were made for runs that were taken off the list. Models that you saved or inspected are not among them; a run that asks for one makes it again."
    )
    st.dataframe(
        {
            "model": [file.what for file in found],
            "size": [shown_size(file.bytes) for file in found],
            "made": [datetime.fromtimestamp(file.written) for file in found],
            "file": [file.path.name for file in found],
        },
        hide_index=True,
        column_config={"made": st.column_config.DatetimeColumn(format="YYYY-MM-DD")},
    )
    size = shown_size(sum(file.bytes for file in found))
    st.button(
        f"Remove {len(found)} file{'s' if len(found) != 1 else ''}, {size}",
        icon=":material/delete:",
        key="remove-models",
        on_click=_removed,
        args=(store, found),
    )


def _removed(store: RunStore, found: Sequence[MadeFile]) -> None:
    try:
        st.toast(f"{shown_size(made_models.remove(store, found))} of models removed.", icon=":material/check:")
    except Refused as refusal:
        st.toast(plain(str(refusal)), icon=":material/error:")


def _carried_out(title: str, work: Callable[[Progress], int], said: str) -> None:
    """With a bar; what came of it is said once the page is drawn again."""
    bar = st.progress(0.0, title)

    def progress(done: int, of: int) -> None:
        bar.progress(min(1.0, done / of) if of else 0.0, f"{title}: {shown_size(done)} of {shown_size(of)}")

    try:
        size = work(progress)
    except Refused as refusal:
        bar.empty()
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    st.toast(said.format(shown_size(size)), icon=":material/check:")
    st.rerun()


def _bound(store: RunStore, text: str) -> None:
    try:
        store.bound(size_of(text) if text.strip().lower() not in ("", "none") else None)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    st.rerun()


def _import(store: RunStore) -> None:
    given = st.file_uploader("Runs that somebody exported", type=[ENDING.removeprefix(".")], accept_multiple_files=True, key="import")
    taken = st.session_state.setdefault("imported", set[str]())
    for file in given:
        if file.file_id in taken:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(file.name).name
            path.write_bytes(file.getbuffer())
            try:
                runs = import_runs(store, path)
            except Refused as refusal:
                st.error(plain(str(refusal)), icon=":material/error:")
                continue
        taken.add(file.file_id)
        st.toast(f"{plain(file.name)}: {len(runs)} run{'s' if len(runs) != 1 else ''} taken over.", icon=":material/check:")
        st.rerun()
