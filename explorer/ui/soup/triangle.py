"""Three ingredients on a triangle: every mark is a soup that was measured, and can be picked."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.core.markdown import plain, spoken
from explorer.core.points import Array, Points
from explorer.core.spec import Run
from explorer.figures import simplex
from explorer.stats.soup_analysis import row_of
from explorer.store.run_store import RunStore
from explorer.ui.charts.triangle import clicked, lattice, says, scale
from explorer.ui.frame import failure, query_state, shell
from explorer.ui.soup.measurements import Kitchen, given
from explorer.ui.soup.table import SERVED
from explorer.ui.widgets import python_source
from explorer.ui.widgets.chart_actions import corner
from explorer.ui.widgets.model_inspector import inspect

STEPS = 8  # 45 soups


def choose(kitchen: Kitchen) -> None:
    """Which three, in the address; nothing is measured before somebody asks."""
    if len(kitchen.models) < 3:
        return
    names = [m.name or m.id for m in kitchen.models]
    picked = st.multiselect(
        "Three ingredients on a triangle",
        range(len(names)),
        default=three(kitchen) or [0, 1, 2],
        format_func=names.__getitem__,
        max_selections=3,
        key=f"soup-three-{kitchen.field('val').id}",
    )
    if len(picked) == 3:
        st.button("Measure the triangle", icon=":material/change_history:", key="soup-simplex", on_click=_ask, args=(kitchen, tuple(picked)))


def _ask(kitchen: Kitchen, picked: tuple[int, ...]) -> None:
    query_state.put(three=",".join(map(str, picked)))
    shell.submit(_run(kitchen, list(picked)))


def three(kitchen: Kitchen) -> list[int]:
    """The three of the address; empty where it names none."""
    try:
        found = [int(part) for part in (query_state.get("three") or "").split(",")]
    except ValueError:
        return []
    return found if len(set(found)) == 3 and all(0 <= k < len(kitchen.models) for k in found) else []


def grid() -> Array:
    """(45, 3) shares in eighths."""
    return lattice(STEPS)


def soups(kitchen: Kitchen, picked: list[int]) -> Array:
    """(45, n) the same as soups of all the models."""
    full = np.zeros((len(grid()), len(kitchen.models)))
    full[:, picked] = grid()
    return full


def _run(kitchen: Kitchen, picked: list[int]) -> Run:
    return given(kitchen, "val", tuple(float(v) for v in soups(kitchen, picked).ravel()))


def busy(store: RunStore, kitchen: Kitchen) -> bool:
    """Whether the triangle is under way."""
    status = store.status(_run(kitchen, picked).id) if (picked := three(kitchen)) else None
    return status is not None and status.active


def show(store: RunStore, kitchen: Kitchen, val: Points, own: tuple[float, ...] | None) -> None:
    """The triangle, what it says, and the soup that is clicked as the person's own."""
    known = store.field(kitchen.field("val").id)
    if not (picked := three(kitchen)) or known is None:
        return
    rows = [row_of(val, soup.tolist()) for soup in soups(kitchen, picked)]
    there = [(i, r) for i, r in enumerate(rows) if r is not None]
    if len(there) < len(rows):
        if (status := store.status(_run(kitchen, picked).id)) is not None:
            failure.show(status, name="The triangle")
        st.caption(f"The triangle: {len(there)} of {len(rows)} soups are measured.")
        return
    shares = grid()
    by = kitchen.by
    values = by.scale * val.means()[[r for _, r in there], by.column]
    names = [kitchen.models[k].name or kitchen.models[k].id for k in picked]
    mine = np.array(own)[picked] if own is not None and abs(sum(own) - sum(np.array(own)[picked])) < 1e-12 and sum(own) > 0 else None
    to_scale = scale()
    figure = simplex.figure(
        shares,
        values,
        known.gram[np.ix_(picked, picked)] if to_scale else None,
        names,
        value_title=f"val {by.title}",
        title=f"Soups of {', '.join(names)}",
        picked=None if mine is None else mine.tolist(),
    )
    key = f"soup-triangle-{kitchen.field('val').id}-{'-'.join(map(str, picked))}{'-scale' if to_scale else ''}"
    words = says(
        shares,
        values,
        [plain(name) for name in names],
        lambda k: f"{values[k]:{by.form}}{' %' if by.metric == 'error' else ''}",
        what=f"validation {by.metric}",
    )
    at = clicked(figure, shares[np.isfinite(values)], key=key, alt=spoken(words))
    source = python_source.runs({"triangle": _run(kitchen, picked)}) + 'print(measured["triangle"].means())'
    corner(key=key, stem="triangle", title="Soups of three", figure=lambda: figure, explain=words, code=python_source.program(source))
    st.markdown(f"{words} Every mark is a measured soup{', drawn to scale' if to_scale else ''}; click one to make it your own.")
    if at is not None:
        st.session_state[SERVED] = st.session_state.get(SERVED, 0) + 1
        full = np.zeros(len(kitchen.models))
        full[picked] = at
        query_state.put(soup=",".join(f"{w:.12g}" for w in full))
        inspect(store, kitchen.field("test"), tuple(float(w) for w in full))
        st.rerun()
