"""What an alignment did, in tabs: where each unit went, which layers came closer, how it converged, what could be permuted at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from explorer.core import registry
from explorer.core.markdown import plain
from explorer.core.points import Array
from explorer.figures import matching as pictures
from explorer.store.job_status import duration
from explorer.symmetry.alignment_report import Matched
from explorer.ui.align.classes import classes
from explorer.ui.align.form import Comparison
from explorer.ui.charts.descent import descent
from explorer.ui.charts.units import units
from explorer.ui.widgets.chart_actions import chart, corner

STEPS = "matching"  # pictures whose axis is the step


def details(comparison: Comparison, found: Matched, i: int, program: str) -> None:
    """The tabs. program: Python that makes the alignment again."""
    names = found.names
    matches, layers, steps, symmetry, about = st.tabs(["Units", "Layers", "Convergence", "Symmetry", "About this method"])
    with matches:
        _units(found, i)
    with layers:
        if found.layers:
            drawn = pictures.layers(found, i)
            chart(drawn, key=f"layers-{i}", title="How close each tensor came", stem="layers", code=_code(program, f"aligned.layer_figure({i})"))
        a, b = found.before[0, i], found.after[0, i]
        if np.isfinite(a):
            st.caption(
                f"Distance between {plain(names[0])} and {plain(names[i])} in weight space: {a:.4g} before, {b:.4g} after, over the trainable parameters."
            )
    with steps:
        if any(len(t) > 1 for t in found.trace):
            descent(found, key="convergence", code=_code(program, "aligned.convergence_figure()"), group=STEPS)
        st.caption(f"The alignment took {duration(found.seconds)}{'' if found.trace else '; this method has no steps to show'}.")
    with symmetry:
        _symmetry(found, i)
    with about:
        st.markdown(f"**{registry.title('align', comparison.method.name)}**\n\n{registry.reference('align', comparison.method.name)}")
    for note in found.notes:
        st.info(note, icon=":material/info:")


def _units(found: Matched, i: int) -> None:
    groups = [g for g in found.groups if g.name in found.maps[i]]
    if not groups:
        st.caption("No group of this network's units can be permuted.")
        return
    name = st.selectbox("Group of units", [g.name for g in groups], key="align-group", format_func=lambda n: _group_label(found, n))
    group = next(g for g in groups if g.name == name)
    p, steps = found.maps[i][name], found.steps[i].get(name) if i < len(found.steps) else None
    if group.within:
        outer = st.slider(f"Unit of {group.within}", 0, len(p) - 1, 0, key=f"outer-{name}") if len(p) > 1 else 0
        p, steps = p[outer], None if steps is None else steps[:, outer]
    left, right = st.columns(2, gap="large")
    with left:
        _places(found, i, name, p, steps)
    cosines = found.similarity[i].get(name) if i < len(found.similarity) else None
    with right:
        if cosines is None:
            st.caption("Similarities of units are drawn for groups of up to 512 units that are permuted as a whole.")
            return
        st.markdown("**How similar the units' weights are**")
        as_now = st.session_state.get("matched-order", True)
        drawn = cosines[:, p.astype(np.int64)] if as_now else cosines
        chart(
            pictures.similarity(drawn, reference=found.names[0], other=found.names[i]),
            key=f"similarity-{i}",
            title="How similar the units' weights are",
            stem="similarity",
            explain=f"Mean cosine {np.diagonal(drawn).mean():.3f} on the diagonal, {drawn.mean():.3f} over all pairs of units.",
        )
        st.toggle("in the matched order", value=True, key="matched-order", help="Switch off to see the units in their original order.")
        own = np.diagonal(drawn)
        st.caption(
            f"Mean cosine on the diagonal: {own.mean():.3f}. A unit's weights are all of its incoming and outgoing ones, with the other groups as matched."
        )


def _places(found: Matched, i: int, name: str, p: Array, steps: Array | None) -> None:
    """Of one group. steps: (T, n), of methods that go from permutation to permutation."""
    title, key = "Where each unit went", f"moves-{i}"
    reference, other = found.names[0], found.names[i]
    st.markdown(f"**{plain(title)}**")
    drawn = pictures.moves(p, reference=reference, other=other)
    went = f"Of the {len(p)} units of {name}, {100 * found.moved(i, name):.0f} % are in a different position than before."
    if not np.issubdtype(p.dtype, np.integer):
        chart(drawn, key=key, title=title, stem="units", explain=went)
        st.caption(f"{went} A row is a unit of the reference, its mark the unit now matched with it.")
        return
    values = None if steps is None else found.trace[i - 1]
    orders = p[None] if steps is None else steps
    units(orders, key=key, unit=name, reference=reference, other=other, alt=went, values=values, objective=found.objective, group=STEPS)
    corner(key=key, stem="units", title=title, figure=lambda: drawn, explain=went)


def _group_label(found: Matched, name: str) -> str:
    group = next(g for g in found.groups if g.name == name)
    return f"{name}: {group.size} units" + (f" within each of {group.within}" if group.within else "")


def _symmetry(found: Matched, i: int) -> None:
    unknown = f"{len(found.unknown)} operators not understood ({', '.join(found.unknown)})" if found.unknown else "every operator understood"
    st.markdown(
        f"**{len(found.groups)} group{'s' * (len(found.groups) != 1)} of interchangeable units, {100 * found.movable:.1f} % of the parameters can move, {unknown}.** Deduced from the"
        " network's graph, and tested: permuting all of them at random leaves its output unchanged."
    )
    for warning in found.warnings:
        st.warning(warning, icon=":material/warning:")
    if found.classes:
        classes(found, i)
    if found.held:
        with st.expander(f"{len(found.held)} axes keep their order"):
            st.markdown("\n".join(f"- {plain(sentence)}" for sentence in found.held))
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "group": g.name,
                    "units": g.size,
                    "within each of": g.within,
                    "moved": 100 * found.moved(i, g.name) if g.name in found.maps[i] else None,
                    "stands in": ", ".join(g.tensors),
                }
                for g in found.groups
            ]
        ),
        hide_index=True,
        column_config={"moved": st.column_config.ProgressColumn(format="%.0f %%", min_value=0.0, max_value=100.0)},
    )


def _code(program: str, drawn: str) -> str:
    """The alignment again, and one of its pictures."""
    return f"{program}\n{drawn}.show()"
