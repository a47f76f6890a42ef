"""Registering checkpoints, and the families of those that can be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from explorer.errors import Refused
from explorer.figures import matrix
from explorer.files import SUFFIXES, stamp
from explorer.spec import Json, Look, ProblemSpec
from explorer.store import RunStore, Status
from explorer.ui import shell, state, uploads

UPLOAD_MB = 200


def add(store: RunStore) -> None:
    """Register by path or by upload, and what came of it."""
    with st.expander("Add your own", icon=":material/add:", expanded=not store.checkpoints()):
        path_form, upload = st.columns([3, 2], gap="large")
        with path_form, st.form("by-path", border=False):
            text = st.text_input("File or folder on this computer", placeholder="/home/me/runs/seed-0.safetensors", key="path")
            problems = {"": None, **{p.id: p for p in _problems(store)}}
            chosen = st.selectbox(
                "Fits the problem",
                list(problems),
                format_func=lambda i: (
                    "recognise it (a problem.toml beside the files, or names and shapes)" if not i else problems[i].title or problems[i].name
                ),
                key="path-problem",
            )
            if st.form_submit_button("Look", icon=":material/search:") and text.strip():
                _look(store, Path(text.strip()).expanduser(), problems[chosen])
        with upload:
            files = st.file_uploader(
                f"Or upload small files (up to {UPLOAD_MB} MB)",
                type=[e.removeprefix(".") for e in SUFFIXES],
                accept_multiple_files=True,
                max_upload_size=UPLOAD_MB,
                key="upload",
            )
            if files and st.button("Register the uploads", icon=":material/upload:"):
                for file in files:
                    _look(store, uploads.keep(file.name, file.getvalue()), None)
    looks = st.session_state.get("looks", [])
    if looks:
        active = any((s := store.status(i)) is not None and s.active for i in looks)
        st.fragment(_looks, run_every=0.5 if active else None)(store, looks, active)


def _look(store: RunStore, path: Path, problem: ProblemSpec | None) -> None:
    """Put the wish down; a path without a checkpoint is said at once."""
    try:
        id = shell.want(Look(str(path.resolve()), stamp(path), problem))
    except Refused as refusal:
        st.error(str(refusal), icon=":material/error:")
        return
    st.session_state["looks"] = [id, *(i for i in st.session_state.get("looks", []) if i != id)][:8]


def _looks(store: RunStore, ids: list[str], was_active: bool) -> None:
    found = [s for s in map(store.status, ids) if s is not None]
    for status in found:
        _outcome(status)
    if was_active and not any(s.active for s in found):
        st.rerun()
    shell.tend()


def _outcome(status: Status) -> None:
    assert isinstance(status.wish, Look)
    if status.state == "failed":
        st.error(status.error, icon=":material/error:")
        return
    if status.active:
        st.progress(status.done / status.total if status.total else 0.0, text=state.sentence(status))
        return
    files = status.result["files"] if isinstance(status.result, dict) else []
    assert isinstance(files, list)
    for facts in files:
        assert isinstance(facts, dict)
        name = facts["name"]
        if "error" in facts:
            st.error(str(facts["error"]), icon=":material/error:")
        elif facts["problem"] is None:
            st.warning(f"**{name}**: {facts['parameters']:,} parameters in {facts['tensors']} tensors. {facts['why']}", icon=":material/help:")
        else:
            problem = ProblemSpec.from_json(facts["problem"])
            st.success(
                f"**{name}** is a checkpoint of **{problem.title or problem.name}** ({facts['why']}; {facts['parameters']:,} parameters).",
                icon=":material/check:",
            )


def _problems(store: RunStore) -> list[ProblemSpec]:
    seen = {p.id: p for p in (ProblemSpec.from_json(f["problem"]) for f in store.checkpoints())}
    return list(seen.values())


def show(store: RunStore) -> None:
    """The registered checkpoints of one problem: table, distances, and the way to the line between two of them."""
    families: dict[str, list[dict[str, Json]]] = {}
    titles: dict[str, str] = {}
    for facts in store.checkpoints():
        problem = ProblemSpec.from_json(facts["problem"])
        folder = str(Path(str(facts["path"])).parent)
        group = f"{problem.id} {folder}"
        families.setdefault(group, []).append(facts)
        titles[group] = (
            f"{problem.title or problem.name} · {Path(folder).name}" if not folder.startswith("sample_models") else problem.title or problem.name
        )
    if not families:
        st.info("Nothing is registered yet. Give the path of a file or a folder above.", icon=":material/inventory_2:")
        return
    chosen = st.pills("Family", list(families), default=next(iter(families)), format_func=titles.get, key="family") or next(iter(families))
    facts = families[chosen]
    problem = ProblemSpec.from_json(facts[0]["problem"])
    split = "test"
    frame = pd.DataFrame([_row(f, split) for f in facts])
    st.markdown(
        f"**{problem.title or problem.name}**: {problem.network.name} on {problem.data.name}, {len(facts)} checkpoints. Tick two to compare them."
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"table-{chosen}",
        column_config={
            "parameters": st.column_config.NumberColumn(format="localized"),
            f"{split} accuracy": st.column_config.ProgressColumn(format="%.2f %%", min_value=0.0, max_value=100.0),
            f"{split} loss": st.column_config.NumberColumn(format="%.4g"),
            "val loss": st.column_config.NumberColumn(format="%.4g"),
        },
    )
    rows: list[int] = list(event["selection"]["rows"])[:2] or [0, 1]
    rows = rows if len(rows) == 2 else [rows[0], 0 if rows[0] else 1]
    if len(facts) < 2:
        st.caption("One checkpoint alone has no line. Register another of the same problem.")
        return
    a, b = (facts[i] for i in rows)
    shell.link("interpolate", f"Interpolate {a['name']} → {b['name']}", icon=":material/show_chart:", a=str(a["digest"]), b=str(b["digest"]))
    _distances(store, chosen, facts)


def _row(facts: dict[str, Json], split: str) -> dict[str, object]:
    row: dict[str, object] = {"name": facts["name"]}
    measured, val = facts.get(split), facts.get("val")
    if isinstance(measured, dict):
        loss, error = measured["loss"], measured["error"]
        assert isinstance(loss, list) and isinstance(error, list)
        value, low, high = (100 * (1 - float(str(error[i]))) for i in (0, 2, 1))
        row |= {f"{split} accuracy": value, "95 %": f"{low:.1f} – {high:.1f}", f"{split} loss": loss[0]}
    if isinstance(val, dict) and isinstance(val["loss"], list):
        row["val loss"] = val["loss"][0]
    notes = facts.get("notes")
    return row | {
        "parameters": facts["parameters"],
        "precision": facts["dtype"],
        "recognised as": facts["why"],
        "notes": "; ".join(map(str, notes)) if isinstance(notes, list) else "",
        "path": facts["path"],
    }


def _distances(store: RunStore, key: str, facts: list[dict[str, Json]]) -> None:
    """How far the family's members lie apart, from the inner products that were taken when they were looked at."""
    gram, names = _gram(store, facts)
    if gram is None:
        st.caption("Distances within this family appear once its folder has been looked at as a whole.")
        return
    square = np.diag(gram)
    distance = np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * gram, 0))
    cosine = gram / np.sqrt(np.outer(square, square))
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            matrix.figure(distance, names, title="Euclidean distance in weight space", unit=""), key=f"distance-{key}", config={"displaylogo": False}
        )
    with right:
        st.plotly_chart(
            matrix.figure(cosine, names, title="Cosine between the weight vectors", unit="", signed=True),
            key=f"cosine-{key}",
            config={"displaylogo": False},
        )
    st.caption(
        "Over trainable parameters only. Two networks can be far apart here and compute the same function: hidden units may simply be in another order."
    )


def _gram(store: RunStore, facts: list[dict[str, Json]]) -> tuple[np.ndarray | None, list[str]]:
    digests = [f["digest"] for f in facts]
    for status in store.statuses("Look"):
        if status.state != "done" or not isinstance(status.result, dict):
            continue
        files, group, gram = status.result["files"], status.result["group"], status.result["gram"]
        assert isinstance(files, list) and isinstance(group, list)
        members = [files[i] for i in group if isinstance(i, int)]
        if [m["digest"] for m in members if isinstance(m, dict)] == digests:
            return np.array(gram, dtype=np.float64), [str(m["name"]) for m in members if isinstance(m, dict)]
    return None, []
