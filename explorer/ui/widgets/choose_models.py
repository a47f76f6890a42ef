"""Choosing some of a family's models: by hand while they are few; among many also by name, pattern, range and age, in a list that opens over the page.

A line such as `tune-*, 10-20, newest 5` says which: names as a shell matches them, places in the list counted from 1, the latest registered. Words without
a `*` or a `?` match anywhere in a name, and a `!` before one leaves out what it matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

import pandas as pd
import streamlit as st

from explorer.core.markdown import plain
from explorer.core.spec import Recipe
from explorer.ui.frame import head

BY_HAND = 20  # models up to which every one chosen is a chip in the form, and no list is offered
PLACES = re.compile(r"(\d+)\s*[-–]\s*(\d+)")
NEWEST = re.compile(r"newest\s+(\d+)")
HELP = (
    "Part of a name, a pattern, places in the list, or the latest registered, separated by commas: `tune`, `tune-*`, `1-50`, `newest 20`. A `!` before a"
    " name leaves out what it matches: `!moved-*`."
)


def choose_models(label: str, models: Mapping[str, Recipe], default: Sequence[str], *, name: Callable[[str], str], key: str) -> list[str]:
    """The keys of the models that are chosen. name: of a key."""
    if len(models) <= BY_HAND:
        return st.multiselect(label, list(models), default=default, format_func=name, key=key)
    state, serial = f"{key}-chosen", f"{key}-serial"
    if state not in st.session_state:
        st.session_state[state] = list(default)
    chosen = [k for k in st.session_state[state] if k in models]
    few, names = len(chosen) <= BY_HAND, {k: name(k) for k in models}
    now = st.session_state.get(serial, 0)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if few:
            chips = f"{key}-{now}"
            st.multiselect(
                label, list(models), default=chosen, format_func=names.__getitem__, key=chips, on_change=_chips, args=(state, chips, serial, now)
            )
            chosen = [k for k in st.session_state[state] if k in models]
        what = f"Find in {len(models)}" if few else f"{label}: {len(chosen)} of {len(models)}"
        said = "" if few else plain(head.names(models[k] for k in chosen))
        with st.popover(what, icon=":material/checklist:", width="content" if few else "stretch", help=said or None):
            _find(names, chosen, key, state, serial)
    return chosen


def _find(names: Mapping[str, str], chosen: Sequence[str], key: str, state: str, serial: str) -> None:
    """What the line names, as a list to tick; and all that is found chosen, or not, at once."""
    text = st.text_input("Find", key=f"{key}-find", placeholder="tune-*, 1-50, newest 20", help=HELP)
    found, there = matching(text, names), set(chosen)
    st.caption(f"{len(found)} of {len(names)} found · {len(chosen)} chosen")
    with st.container(horizontal=True, gap="small"):
        for words, then in (
            ("Only these", found),
            ("Add", [*chosen, *(k for k in found if k not in there)]),
            ("Remove", [k for k in chosen if k not in set(found)]),
            ("None", []),
        ):
            st.button(words, key=f"{key}-{words}", disabled=list(then) == list(chosen), on_click=_set, args=(state, serial, then))
    now = st.session_state.get(serial, 0)
    ticks = f"{key}-list-{now}-{text}"
    st.data_editor(
        pd.DataFrame({"chosen": [k in there for k in found], "model": [names[k] for k in found]}),
        hide_index=True,
        disabled=["model"],
        height=280,
        key=ticks,
        on_change=_tick,
        args=(state, ticks, found, serial, now),
        column_config={"chosen": st.column_config.CheckboxColumn("", width=40)},
    )


def matching(text: str, names: Mapping[str, str]) -> list[str]:
    """The keys that a line names, in order; every one where it is empty. names: by key, those registered last at the end."""
    keys = list(names)
    wanted: set[str] = set()
    left_out: set[str] = set()
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if place := PLACES.fullmatch(part):
            first, last = sorted(int(v) for v in place.groups())
            wanted.update(keys[max(first - 1, 0) : last])
        elif latest := NEWEST.fullmatch(part):
            wanted.update(keys[max(len(keys) - int(latest[1]), 0) :])
        else:
            (left_out if part.startswith("!") else wanted).update(k for k in keys if _matches(part.removeprefix("!").strip(), names[k]))
    if all(part.startswith("!") for part in parts):
        wanted = set(keys)
    return [k for k in keys if k in wanted - left_out]


def _matches(part: str, name: str) -> bool:
    part, name = part.lower(), name.lower()
    return fnmatchcase(name, part) if "*" in part or "?" in part else part in name


# The browser may still send what stood in a list before `_set` replaced it: that is told by its number.


def _chips(state: str, chips: str, serial: str, when: int) -> None:
    if st.session_state.get(serial, 0) == when:
        st.session_state[state] = list(st.session_state[chips])


def _tick(state: str, ticks: str, found: Sequence[str], serial: str, when: int) -> None:
    """What was ticked, or no longer is, in the list of those that were found."""
    if st.session_state.get(serial, 0) != when:
        return
    edited = {found[int(row)]: bool(cells["chosen"]) for row, cells in st.session_state[ticks]["edited_rows"].items() if "chosen" in cells}
    kept = [k for k in st.session_state[state] if edited.get(k, True)]
    st.session_state[state] = [*kept, *(k for k, ticked in edited.items() if ticked and k not in kept)]


def _set(state: str, serial: str, chosen: list[str]) -> None:
    st.session_state[state] = list(chosen)
    st.session_state[serial] = st.session_state.get(serial, 0) + 1  # what was ticked in the list before does not count any more
