"""Of an alignment over all classes of symmetry: what is free beyond permutations, why not more, and for one axis at a time what became of it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explorer.core.glossary import linked
from explorer.core.markdown import plain
from explorer.figures import matching as pictures
from explorer.figures import matching_words
from explorer.symmetry.alignment_report import Matched
from explorer.ui.widgets.chart_actions import chart


def classes(found: Matched, i: int) -> None:
    """The list, and the pictures of one axis."""
    many, gains = len(found.classes), len(found.folded)
    folded = f" {gains} gain{'s' * (gains != 1)} of norms can be moved into what reads {'them' if gains != 1 else 'it'}." if gains else ""
    st.markdown(
        f"**{many} ax{'e' if many != 1 else 'i'}s allow{'s' * (many == 1)} more than permutations**, by maps of dimension {found.dimension:,} in all.{folded}"
    )
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "axis": c.name,
                    "places": c.size,
                    "class": c.cls,
                    "a map for each of": c.within,
                    "dimension": c.dimension,
                    "what was done": matching_words.done(c, found.elements[i][c.name]),
                    "not more, because of": c.why,
                }
                for c in found.classes
            ]
        ),
        hide_index=True,
    )
    if found.permutations_only:
        with st.expander(f"{len(found.permutations_only)} groups allow permutations alone"):
            st.markdown("\n".join(f"- {plain(sentence)}" for sentence in found.permutations_only))
    _axis(found, i)


def _axis(found: Matched, i: int) -> None:
    """The map of one axis, by how much it turns, and how close each place came."""
    rows = {c.name: c for c in found.classes}
    left, right = st.columns(2, gap="large")
    with left:
        name = st.selectbox("Axis", list(rows), key="align-class", format_func=lambda n: f"{n}: {rows[n].size} places, {rows[n].cls}")
    row, value = rows[name], found.elements[i][name]
    unit = 0
    if len(value) > 1:
        with right:
            unit = st.slider(f"Unit of {row.within}", 0, len(value) - 1, 0, key=f"align-map-{name}")
    left, right = st.columns(2, gap="large")
    done = matching_words.done(row, value)
    with left:
        st.markdown("**The map**")
        chart(pictures.element(row, value, unit), key=f"element-{i}", title="What was done along this axis", stem="element", explain=done)
        st.caption(f"After the permutations, on this axis: {done}.")
    with right:
        if value.ndim == 3:
            st.markdown("**Rotation angles**")
            angles = pictures.turned(value, unit)
            chart(angles, key=f"angles-{i}", title="By how much each direction is turned", stem="angles", explain=done)
            st.caption(
                linked(
                    "A map turns the axis direction by direction, and may stretch it as well: the angles are those of its nearest [[orthogonal map]]."
                )
            )
    if i < len(found.likeness) and name in found.likeness[i]:
        cosines = found.likeness[i][name]
        st.markdown("**Before and after**")
        closer = matching_words.closer(cosines)
        drawn = pictures.places(row, cosines, reference=found.names[0])
        chart(drawn, key=f"places-{i}", title="How close the weights at each place came", stem="places", explain=closer)
        st.caption(closer)
