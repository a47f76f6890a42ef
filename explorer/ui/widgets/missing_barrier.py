"""In place of a barrier: why there is none."""

from __future__ import annotations

import streamlit as st

from explorer.core.points import Points


def no_barrier(title: str, *lines: Points) -> None:
    """The number is still to come, or an end diverged, so that it never will."""
    if all({0.0, 1.0} <= set(points.coords[:, 0]) for points in lines):
        st.error(
            "An end of the line has no finite loss, so there is no straight line to compare with. Check that checkpoint.", icon=":material/error:"
        )
    else:
        st.metric(title, "…", help="Both ends have to be measured first.")
