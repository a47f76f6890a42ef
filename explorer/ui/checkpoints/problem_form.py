"""The form that describes checkpoints which no known problem fits: network, data, loss and split become a problem.toml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from explorer.core import model_path, registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Look
from explorer.problems import write_problem_toml
from explorer.store.job_status import Status
from explorer.store.records import Seen
from explorer.ui.widgets import method_form

WRITTEN = "problem-written"  # (place, text) of what this visitor's form has written
TROUBLE = "problem-trouble"

Again = Callable[[Path], None]


def show(status: Status, *, again: Again) -> None:
    """After a look at a folder: the form where nothing fits and no problem.toml is there; the way back where the one from here does not fit.

    `again` inspects the folder again.
    """
    if not isinstance(status.request, Look) or status.state not in ("done", "failed"):
        return
    path = Path(status.request.path)
    beside = model_path.parse(path).path
    folder = beside if beside.is_dir() else beside.parent
    seen = Seen.from_json(status.result) if status.state == "done" else Seen(())
    if any(f.problem is not None for f in seen.files):
        return
    if (trouble := st.session_state.get(TROUBLE)) is not None:
        st.error(plain(trouble), icon=":material/error:")
    try:
        there = write_problem_toml.found(folder)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    place, text = st.session_state.get(WRITTEN, (None, ""))
    if there is not None and there == place:
        st.button(
            "Withdraw this problem.toml and correct it",
            icon=":material/undo:",
            on_click=_take_back,
            args=(place, text, path, again),
            key="take-back",
        )
    elif there is None and (unknown := [f for f in seen.files if not f.error]):
        with st.container(border=True):
            _form(path, folder, unknown[0].network, again)


def _form(path: Path, folder: Path, network: registry.Method | None, again: Again) -> None:
    st.markdown("**What are these models, and what are they evaluated on?** Say it once, and every checkpoint in this folder is recognised.")
    key = f"describe-{folder}"
    place = write_problem_toml.place_for(folder)
    try:
        if network is not None:
            network = write_problem_toml.fitted(network, folder, place)
            st.caption(f"The tensors have the names and shapes of the network {network.name.replace('_', ' ')} with the options below.")
        left, right = st.columns(2, gap="large")
        with left:
            net = method_form.choose("nets", "Network", key=key, start=network)
        with right:
            likely = "tokens" if net.name == "hugging_face" else "text" if net.name == "gpt" else "npz"
            data = method_form.choose("data", "Data", key=key, start=registry.method("data", likely))
            source = st.text_input(
                "Where the data are: an absolute path, or relative to this folder; empty for data that need none", key=f"{key}-path"
            ).strip()
            loss = st.selectbox("Loss", names := registry.names("loss"), index=names.index("cross_entropy"), key=f"{key}-loss")
            st.caption(registry.title("loss", loss))
        columns = st.columns(4, gap="medium")
        with columns[0]:
            val = st.number_input("Share for selection (val)", 0.0, 0.9, 0.2, 0.05, key=f"{key}-val")
        with columns[1]:
            test = st.number_input("Share for reporting (test)", 0.0, 0.9, 0.3, 0.05, key=f"{key}-test")
        with columns[2]:
            seed = st.number_input("Seed of the split", 0, value=0, step=1, key=f"{key}-seed")
        with columns[3]:
            title = st.text_input("Title", key=f"{key}-title").strip()
        text = write_problem_toml.text_of(
            write_problem_toml.fitted(net, folder, place),
            data,
            write_problem_toml.relative(source, folder, place),
            loss,
            val=round(val, 6),
            test=round(test, 6),
            seed=int(seed),
            title=title,
        )
    except (Refused, ValueError) as refusal:  # ValueError: what is typed where numbers are wanted
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    st.code(text, language="toml")
    st.button(
        "Write problem.toml and inspect again",
        type="primary",
        icon=":material/save:",
        on_click=_write,
        args=(place, text, path, again),
        key=f"{key}-write",
    )
    where = "beside the checkpoints" if place.parent == folder else "into your own folder, as theirs is read-only here"
    st.caption(f"It will be written {where}: {place}")


def _write(place: Path, text: str, path: Path, again: Again) -> None:
    st.session_state.pop(TROUBLE, None)
    try:
        write_problem_toml.write(place, text)
    except Refused as refusal:
        st.session_state[TROUBLE] = str(refusal)
        return
    st.session_state[WRITTEN] = (place, text)
    again(path)


def _take_back(place: Path, text: str, path: Path, again: Again) -> None:
    st.session_state.pop(TROUBLE, None)
    try:
        write_problem_toml.take_back(place, text)
    except Refused as refusal:
        st.session_state[TROUBLE] = str(refusal)
        return
    st.session_state.pop(WRITTEN, None)
    again(path)
