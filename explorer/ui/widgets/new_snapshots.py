"""New snapshots of a training that goes on elsewhere: its folder looked at again, and a selection that takes them in.

A page that is open notices them by itself: as long as something was written to the folder within the last hour, it asks every few seconds when that was, which is
one call of the system, and looks when it has changed. A picture that is drawn of the family is then drawn again with them, unless somebody switched that off.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from explorer.checkpoints import change_mark
from explorer.core import locations, model_path
from explorer.core.errors import Refused
from explorer.core.files import natural
from explorer.core.markdown import plain
from explorer.core.spec import Loaded, Look, Recipe
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell, status_badge
from explorer.ui.frame.polling import live
from explorer.ui.widgets.model_picker import Family

NOTICED_S = 5.0
GOES_ON_S = 3600.0  # after the last snapshot


@dataclass(frozen=True)
class _Asked:
    """A look that was asked for: its request's id, what there was to select, what was selected, and where: the key of the form's selection, and of its widget.

    alone: by the page, and not by somebody.
    """

    look: str
    known: frozenset[str]
    selected: tuple[str, ...]
    key: str
    widget: str
    alone: bool


def ordered(family: Family, most: int) -> list[str]:
    """The keys of a family's models in the order of their names; evenly chosen from first to last where there are more than `most`."""
    return _thinned(sorted(family.models, key=lambda key: natural(family.models[key].name)), most)


def selection(store: RunStore, family: Family, offered: Collection[str], *, key: str, before: list[str], most: int) -> tuple[list[str], str]:
    """Draw the button that looks for new snapshots; (what a selection of models begins with, the key of its widget).

    It begins with what was selected `before`, else with all of the family; after a look, with what is selected then, as far as it is still `offered`, and what was found.
    """
    folder, kept = _folder(family), f"new-snapshots-{family.key}"
    asked: _Asked | None = st.session_state.get(kept)
    status = store.status(asked.look) if asked else None
    found = [k for k in ordered(family, len(family.models)) if asked and k not in asked.known]
    looked = status is not None and status.state == "done"
    begin, widget = before or ordered(family, most), key
    if asked is not None and asked.key == key:
        widget = asked.widget
        if looked:
            begin, widget = _thinned([*(k for k in asked.selected if k in offered), *found], most), f"{key}-{asked.look}"
    if folder is None:
        return begin, widget
    button, said = st.columns([2, 5], vertical_alignment="center")
    with button:
        st.button(
            "Look for new snapshots",
            icon=":material/refresh:",
            key=f"{key}-again",
            on_click=_look,
            args=(folder, family, tuple(begin), kept, key, widget),
            disabled=status is not None and status.active,
            help=f"In {plain(str(folder))}, where a training may still be writing them.",
        )
    with said:
        if refused := st.session_state.pop(f"{kept}-refused", ""):
            st.error(plain(refused), icon=":material/error:")
        if status is not None:
            live(_progress, every=0.5, busy=status.active)(store, status.id)
            failure.show(status, name=str(folder), key=key)
        if looked:
            st.caption(f"{len(found)} new {'snapshot' if len(found) == 1 else 'snapshots'}." if found else "No new snapshots.")
        looking = status is not None and status.active
        goes_on = time.time() - _written(folder) / 1e9 < GOES_ON_S
        if goes_on:
            follow = st.toggle("Draw them as they come", value=True, key=f"{kept}-follow", help="While the training goes on.")
            if follow and asked is not None and asked.alone and asked.key == key and looked and found:
                st.session_state[f"{kept}-due"] = True
        live(_notice, every=NOTICED_S, busy=goes_on and not looking)(folder, family, tuple(begin), kept, key, widget)
    return begin, widget


def due(family: Family) -> bool:
    """Whether a picture of this family is to be drawn again with what the page found by itself; it says so once."""
    return st.session_state.pop(f"new-snapshots-{family.key}-due", False)


def more(drawn: Sequence[Recipe], now: Sequence[Recipe]) -> bool:
    """Whether these are the models that are drawn, or some of them, and others besides."""
    before, after = {m.id for m in drawn}, {m.id for m in now}
    return bool(before & after) and bool(after - before)


def _thinned(keys: list[str], most: int) -> list[str]:
    return keys if len(keys) <= most else [keys[round(i * (len(keys) - 1) / (most - 1))] for i in range(most)]


def _folder(family: Family) -> Path | None:
    """The folder that a family's files lie in, where somebody else may write to it; None for what ships or was made here."""
    first = next(iter(family.models.values()), None)
    if not isinstance(first, Loaded) or not first.path:
        return None
    folder = model_path.parse(locations.expand(first.path)).path.parent
    return None if any(folder.is_relative_to(own) for own in locations.own(locations.home())) else folder


def _written(folder: Path) -> int:
    """When a file was last added to the folder or taken out of it, in ns; 0 where that cannot be told."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _notice(folder: Path, family: Family, begin: tuple[str, ...], kept: str, key: str, widget: str) -> None:
    """Look where somebody has written since this visitor's page looked at the folder last. Draws nothing."""
    now = _written(folder)
    if now != st.session_state.setdefault(f"{kept}-written", now):
        _look(folder, family, begin, kept, key, widget, alone=True)
        st.rerun()


def _look(folder: Path, family: Family, begin: tuple[str, ...], kept: str, key: str, widget: str, *, alone: bool = False) -> None:
    """The button's callback."""
    st.session_state[f"{kept}-written"] = _written(folder)  # before it is looked at
    try:
        request = Look(str(folder.resolve()), change_mark.mark(folder), family.problem)
    except Refused as refusal:
        st.session_state[f"{kept}-refused"] = str(refusal)
        return
    selected = tuple(st.session_state.get(widget, begin))
    st.session_state[kept] = _Asked(shell.submit(request), frozenset(family.models), selected, key, widget, alone)


def _progress(store: RunStore, look: str) -> None:
    status = store.status(look)
    if status is None or not status.active:
        return
    st.progress(status.done / status.total if status.total else 0.0, text=status_badge.sentence(status))
    shell.tend()
