"""Registering checkpoints, and the families of those that can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from explorer.checkpoints import change_mark
from explorer.checkpoints.sharded import family_folder
from explorer.core import allowed_folders, glossary, locations, model_path, registry, significant_digits
from explorer.core.allowed_folders import admit
from explorer.core.errors import Refused
from explorer.core.files import SUFFIXES
from explorer.core.markdown import plain
from explorer.core.model_path import dequantised, renamed
from explorer.core.points import Array
from explorer.core.spec import Look, ProblemSpec
from explorer.figures import matrix
from explorer.stats import perplexity, units
from explorer.stats.similar_order import similar_order
from explorer.store.job_status import Status
from explorer.store.records import Facts, Seen
from explorer.store.run_store import RunStore
from explorer.ui.checkpoints import problem_form, worked_example
from explorer.ui.frame import failure, login, shell, status_badge
from explorer.ui.frame.polling import live
from explorer.ui.widgets import known_distances, model_doubts, uploads
from explorer.ui.widgets.chart_actions import chart
from explorer.ui.widgets.choose_models import BY_HAND, HELP, matching

UPLOAD_MB = 200
SAID_ONCE = {
    "parameters": "{:,} parameters",
    "precision": "{}",
    "recognised as": "recognised as {}",
    "notes": "{}",
}  # above the table, where no two differ
DEQUANTISE = (
    "Restores to float32 what int8 or fp8 numbers with their scales stand for. Plain checkpoints stay as they are; other schemes are refused."
)
SAID = 8  # files of one look up to which each has a sentence of its own
SHOWN = "family-shown"  # in the session: the family that is shown until a person chooses another
RECOGNISE = "recognise it by problem.toml, names, shapes"


def add(store: RunStore) -> None:
    """Register by path or by upload, and what came of it."""
    with st.expander("Add your own", icon=":material/add:", expanded=not store.checkpoints()):
        path_form, upload = st.columns([3, 2], gap="large")
        with path_form, st.form("by-path", border=False):
            open_to = allowed_folders.named()
            text = st.text_input(
                "File or folder on this computer" if open_to is None else "File or folder on the server",
                placeholder="/home/me/runs/seed-0.safetensors" if open_to is None else f"{open_to[0]}/…",
                key="path",
                help=None if open_to is None else f"You can use: {', '.join(open_to)}.",
            )
            known = {p.id: p for f in store.checkpoints() if (p := f.problem) is not None}
            names = {"": RECOGNISE, **{i: title(p) for i, p in known.items()}}
            chosen = st.selectbox("Fits the problem", list(names), format_func=lambda i: names[str(i)], key="path-problem")
            dequantise = st.checkbox("Dequantise", key="path-dequantise", help=DEQUANTISE)
            if st.form_submit_button("Look", icon=":material/search:") and text.strip():
                _inspect(dequantised(_typed(text.strip()), dequantise), known.get(chosen))
        with upload:
            files = st.file_uploader(
                f"Or upload small files (up to {UPLOAD_MB} MB)",
                type=[e.removeprefix(".") for e in SUFFIXES],
                accept_multiple_files=True,
                max_upload_size=UPLOAD_MB,
                key="upload",
            )
            dequantise = st.checkbox("Dequantise the uploads", key="upload-dequantise", help=DEQUANTISE)
            if files and st.button("Register the uploads", icon=":material/upload:"):
                _upload([(file.name, file.getvalue()) for file in files], dequantise)
        worked_example.show()
    inspections: list[str] = st.session_state.get("looks", [])
    if inspections:
        active = any((s := store.status(i)) is not None and s.active for i in inspections)
        live(_inspections, every=0.5, busy=active)(store, inspections, active)
        if not active and (latest := store.status(inspections[0])) is not None:
            _renamings(latest)
            problem_form.show(latest, again=lambda path: _inspect(path, None))


def _renamings(status: Status) -> None:
    """After a look: checkpoints that fit a network in order under other names, with the pairs of names, each to be registered as that."""
    if status.state != "done":
        return
    known = {f.path for f in shell.store().checkpoints()}
    for facts in Seen.from_json(status.result).files:
        if facts.renaming is None:
            continue
        path = renamed(locations.expand(facts.path))
        if locations.shorten(path) in known:
            continue
        with st.expander(f"{plain(facts.name)} in order as {plain(title(facts.renaming.problem))}", icon=":material/swap_horiz:", expanded=True):
            st.dataframe(pd.DataFrame(facts.renaming.names, columns=["in the file", "in the network"]), hide_index=True)
            label = f"Register {plain(facts.name)} under these names"
            st.button(label, icon=":material/check:", on_click=_inspect, args=(path, facts.renaming.problem), key=f"renamed-{path}")


def title(problem: ProblemSpec) -> str:
    """What a problem is called."""
    return problem.title or problem.name


def _typed(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~ of a user whom the system does not know
        return Path(text)


def _inspect(path: Path, problem: ProblemSpec | None) -> None:
    """Put the request down, again where an earlier look found trouble: its cause may be gone, though no file has changed.

    A path without a checkpoint, or outside the folders that are open here, is said at once.
    """
    try:
        admit(path)
        mark = change_mark.mark(path)  # first: it refuses what is no path at all
        request = Look(str(model_path.resolved(path)), mark, problem)
        before = shell.store().status(request.id)
        id = shell.submit(request, again=before is not None and _troubled(before))
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    kept = [s for i in st.session_state.get("looks", []) if (s := shell.store().status(i)) is not None]
    st.session_state["looks"] = [id, *(s.id for s in kept if not isinstance(s.request, Look) or s.request.path != str(model_path.resolved(path)))][:8]


def _troubled(status: Status) -> bool:
    """Whether a look failed, or did not recognise all that it found."""
    return status.state == "failed" or (status.state == "done" and any(f.problem is None for f in Seen.from_json(status.result).files))


def _upload(files: Sequence[tuple[str, bytes]], dequantise: bool) -> None:
    try:
        path = uploads.keep_all(files)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    _inspect(dequantised(path, dequantise), None)


def _inspections(store: RunStore, ids: list[str], was_active: bool) -> None:
    found = [s for s in map(store.status, ids) if s is not None]
    for status in found:
        _outcome(status)
    if was_active and not any(s.active for s in found):
        st.rerun()
    shell.tend()


def _outcome(status: Status) -> None:
    assert isinstance(status.request, Look)
    if status.state == "failed":
        failure.show(status, name=status.request.path)
    elif status.state != "done":
        st.progress(status.done / status.total if status.total else 0.0, text=status_badge.sentence(status))
    files = Seen.from_json(status.result).files if status.state == "done" else ()
    for refusal in dict.fromkeys(f.error for f in files if f.error):
        names = [f.name for f in files if f.error == refusal]
        st.error(f"**{plain(', '.join(names))}**: {plain(refusal)}" if len(names) > 1 else plain(refusal), icon=":material/error:")
    for alike in _alike(files):
        facts, several = alike[0], f"**{len(alike)} files**, {plain(alike[0].name)} to {plain(alike[-1].name)}"
        if facts.problem is None:
            who = f"**{plain(facts.name)}**" if len(alike) == 1 else several
            st.warning(f"{who}: {facts.parameters:,} parameters in {facts.tensors} tensors. {plain(facts.why)}", icon=":material/help:")
        else:
            who = f"**{plain(facts.name)}** is a checkpoint" if len(alike) == 1 else f"{several}, are checkpoints"
            st.success(f"{who} of **{plain(title(facts.problem))}** ({plain(facts.why)}; {facts.parameters:,} parameters).", icon=":material/check:")
        for one in alike:
            _others(one, status.id)
    if status.state == "done" and _troubled(status):  # beside one that failed there is a button already
        st.button(
            "Inspect again",
            icon=":material/refresh:",
            on_click=_inspect,
            args=(Path(status.request.path), status.request.problem),
            key=f"again-{status.id}",
            help="Once the cause is fixed: a package installed, or the explorer started with --trust.",
        )


def _alike(files: Sequence[Facts]) -> list[list[Facts]]:
    """Files that were read, those of which the same is to be said together where they are more than a few, or where that is a problem that all of them have."""
    found: dict[object, list[Facts]] = {}
    read = [f for f in files if not f.error]
    for facts in read:
        said = (facts.problem, facts.why, facts.parameters, facts.tensors)
        found.setdefault(said if len(read) > SAID or facts.problem is None else facts.path, []).append(facts)
    return list(found.values())


def _others(facts: Facts, look: str) -> None:
    """The other sets of weights in a file, said where the one that was taken is, each to be registered beside it. look: the id of the look that found it."""
    chosen = model_path.parse(locations.expand(facts.path))
    if facts.problem is None or chosen.part or not facts.others:
        return
    st.caption(f"{plain(chosen.path.name)} holds other weights as well: {plain(', '.join(facts.others))}.")
    known = {f.path for f in shell.store().checkpoints()}
    for key in facts.others:
        if locations.shorten(other := replace(chosen, part=key).at(chosen.path)) not in known:
            label = f"Also register {plain(str(key))} of {plain(chosen.path.name)}"
            st.button(label, icon=":material/add:", on_click=_inspect, args=(other, facts.problem), key=f"other-{look}-{other}")


def show(store: RunStore) -> None:
    """The registered checkpoints, family by family: table, distances, and the way to the line between two of them."""
    families = _families(store)
    if not families:
        st.info("Nothing is registered yet. Give the path of a file or a folder above.", icon=":material/inventory_2:")
        return
    names = {key: _family_name(key, facts) for key, facts in families.items()}
    if (looked := _just_looked_at(store)) in families or st.session_state.get(SHOWN) not in families:
        st.session_state[SHOWN] = looked if looked in families else next(iter(families))
    # A widget of its own for each family that is shown by itself, and for each list: set from here, one that is there already may go on to show another.
    first = st.session_state[SHOWN]
    key = f"family-{hashlib.sha256(repr((first, *families)).encode()).hexdigest()[:12]}"
    chosen = str(st.pills("Family", list(families), default=first, format_func=lambda k: plain(names[str(k)]), key=key, required=True))
    facts = families[chosen]
    problem = facts[0].problem
    assert problem is not None
    st.markdown(
        f"**{plain(names[chosen])}** · {plain(problem.network.name)} on {plain(problem.data.name)}, {len(facts)} checkpoint{'s' if len(facts) > 1 else ''}."
        f"{' Select two to compare them.' if len(facts) > 1 else ''}"
    )
    listed = facts if len(facts) <= BY_HAND else _narrowed(facts, chosen)
    rows = _table(chosen, listed)
    model_doubts.say(sentence for f in facts for sentence in f.doubts())
    _fixed(facts[-1])
    if not facts[0].path.startswith("sample_models"):
        st.button(
            "Remove this family from the list",
            icon=":material/close:",
            on_click=_remove,
            args=(facts,),
            key=f"remove-{chosen}",
            disabled=bool(other := _of_others(store, facts)),
            help=other or "The files are not touched, and what was measured with them is kept.",
        )
    if len(listed) < 2:
        st.caption("A line needs two checkpoints. Register another of the same problem." if len(facts) < 2 else "A line needs two checkpoints.")
        return
    a, b = (listed[i] for i in rows)
    shell.link("interpolate", f"Interpolate {plain(a.name)} → {plain(b.name)}", icon=":material/show_chart:", a=a.digest, b=b.digest)
    _distances(store, chosen, listed)


def _narrowed(facts: list[Facts], key: str) -> list[Facts]:
    """Those of many that a line names; the pictures below are of these, too."""
    names = {f.path: f.name for f in facts}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Filter", key=f"filter-{key}", placeholder="tune-*, 1-50, newest 20", help=HELP, width=340)
        found = set(matching(text, names))
        st.caption(f"{len(found)} of {len(facts)}. A click on a column's head sorts.")
    return [f for f in facts if f.path in found]


def _just_looked_at(store: RunStore) -> str | None:
    """The family of what a person has just added, once."""
    done = next((s for i in st.session_state.get("looks", []) if (s := store.status(i)) is not None and s.state == "done"), None)
    if done is None or st.session_state.get("looked") == done.id:
        return None
    st.session_state["looked"] = done.id
    return next((_key(f) for f in Seen.from_json(done.result).files if f.problem is not None), None)


def _remove(facts: list[Facts]) -> None:
    shell.unregister(*(fact.path for fact in facts))


def _of_others(store: RunStore, facts: list[Facts]) -> str:
    """Why this visitor may not take them off the list; empty where they may."""
    if (visitor := login.visitor()) is None:
        return ""
    names = sorted({store.registrant(f.path) or "the operator of this server" for f in facts} - {visitor})
    return f"Registered by {plain(', '.join(names))}, who can take them off the list." if names else ""


def _families(store: RunStore) -> dict[str, list[Facts]]:
    """Checkpoints of one problem in one folder belong together; in order of path, names in natural order."""
    families: dict[str, list[Facts]] = {}
    for facts in store.checkpoints():
        if facts.problem is not None:
            families.setdefault(_key(facts), []).append(facts)
    return families


def _key(facts: Facts) -> str:
    return f"{facts.problem.id if facts.problem else ''} {family_folder(facts.path)}"


def _family_name(key: str, facts: list[Facts]) -> str:
    problem = facts[0].problem
    assert problem is not None
    folder = family_folder(facts[0].path)
    return title(problem) if facts[0].path.startswith("sample_models") else f"{title(problem)} ({folder.name})"


def _table(key: str, facts: list[Facts]) -> list[int]:
    """The family as a table; the two rows that are ticked, or the first two."""
    problem = facts[0].problem
    unit = units.of_level(problem, "loss") if problem is not None else ""
    rows = [_row(f) for f in facts]
    alike = [column for column in SAID_ONCE if len(rows) > 1 and all(row[column] == rows[0][column] for row in rows)]
    if said := [SAID_ONCE[column].format(rows[0][column]) for column in alike if rows[0][column]]:
        st.caption(plain(f"Each: {'; '.join(said)}."))
    event = st.dataframe(
        pd.DataFrame(rows).drop(columns=alike),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"table-{key}",
        column_config={
            "parameters": st.column_config.NumberColumn(format="localized"),
            "test accuracy": st.column_config.ProgressColumn(format="%.1f %%", min_value=0.0, max_value=100.0),
            "95 %": st.column_config.TextColumn("95 % interval"),
            "test loss": st.column_config.NumberColumn(units.titled("test loss", unit), format="%.3g"),
            "test perplexity": st.column_config.NumberColumn(format="%.3g"),
            "val loss": st.column_config.NumberColumn(units.titled("val loss", unit), format="%.3g"),
        },
    )
    ticked: list[int] = list(event["selection"]["rows"])[:2]
    return ticked if len(ticked) == 2 else [0, 1] if not ticked or ticked == [0] else [0, ticked[0]]


def _fixed(facts: Facts) -> None:
    """What no permutation moves in these networks, folded."""
    said, sentences = facts.fixed()
    if not sentences:
        st.caption(said)
        return
    with st.expander(
        f"{said}; {len(sentences)} {'axis keeps its' if len(sentences) == 1 else 'axes keep their'} order" if facts.movable is not None else said
    ):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences))


def _row(facts: Facts) -> dict[str, object]:
    row: dict[str, object] = {"name": facts.name}
    if (test := facts.on("test")) is not None:
        accuracy, high, low = (100 * (1 - e) for e in test.error)
        _, low, high = significant_digits.formatted(accuracy, low, high)
        row |= {"test accuracy": accuracy, "95 %": f"[{low}, {high}]", "test loss": test.loss[0]}
        if facts.problem is not None and not registry.classifies(facts.problem.loss):
            row = {"name": facts.name, "test loss": test.loss[0], "95 %": "[{1}, {2}]".format(*significant_digits.formatted(*test.loss))}
        elif facts.problem is not None and perplexity.applies(facts.problem):
            row["test perplexity"] = perplexity.from_loss(test.loss[0])
    if (val := facts.on("val")) is not None:
        row["val loss"] = val.loss[0]
    return row | {
        "parameters": facts.parameters,
        "precision": facts.dtype,
        "recognised as": facts.why,
        "notes": "; ".join(facts.notes),
        "path": facts.path,
    }


def _distances(store: RunStore, key: str, facts: list[Facts]) -> None:
    """How far the family's members lie apart, from the inner products that were taken when they were looked at."""
    digests = [f.digest for f in facts]
    if (gram := store.gram(digests)) is None:
        st.caption("Distances within this family appear once its whole folder has been inspected.")
        return
    names, distance = [f.name for f in facts], known_distances.apart(gram)
    square = np.diag(gram)
    cosine = gram / np.sqrt(np.outer(square, square))
    if len(names) > matrix.MOST_TEXTS:
        order = similar_order(distance)
        names, distance, cosine = [names[k] for k in order], distance[np.ix_(order, order)], cosine[np.ix_(order, order)]
        st.caption("Models that are near each other stand side by side in the pictures; point at a cell for its two names.")
    left, right = st.columns(2, gap="large")
    with left:
        title = "Euclidean distance in weight space"
        chart(matrix.figure(distance, names, title=title), key=f"distance-{key}", title=title, stem="distances", explain=_extremes(distance, names))
    with right:
        title = "Cosine between the weight vectors"
        chart(
            matrix.figure(cosine, names, title=title, signed=True), key=f"cosine-{key}", title=title, stem="cosines", explain=_extremes(cosine, names)
        )
    st.caption(
        glossary.linked(
            "Over trainable parameters only. Two networks can be far apart here in [[weight space]] and compute the same function: hidden"
            " units may simply be in a [[different order|permutation symmetry]]."
        )
    )


def _extremes(values: Array, names: list[str]) -> str:
    """The smallest and the largest value between two models."""
    if len(names) < 2:
        return "A distance needs two models."
    rows, columns = np.triu_indices(len(names), 1)
    found = values[rows, columns]
    (low, near), (high, far) = (
        (found[k], f"{plain(names[rows[k]])} and {plain(names[columns[k]])}") for k in (int(found.argmin()), int(found.argmax()))
    )
    return f"Smallest between {near}: {low:.4g}. Largest between {far}: {high:.4g}. {len(found)} pairs of models."
